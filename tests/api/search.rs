//! GET /api/auth/search/ and GET /api/auth/users/<username>/

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Person, Stage};

async fn search(stage: &Stage, asker: &Person, text: &str) -> Vec<Value> {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
    let found = stage.there().get(&format!("/api/auth/search/?{query}")).by(asker).await.is(200);
    found.as_array().unwrap().clone()
}

async fn usernames(stage: &Stage, asker: &Person, text: &str) -> Vec<String> {
    let mut names: Vec<_> = search(stage, asker, text)
        .await
        .iter()
        .map(|user| user["username"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[rstest]
#[tokio::test]
async fn a_search_finds_parts_of_names_in_any_case(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("zoe").await;
    stage.import("ada_l", "Augusta", "King");
    stage.import("grace", "Grace", "Hopper");
    stage.import("Émile", "Émile", "Zola");
    for (text, found) in [
        ("DA", vec!["ada_l"]),
        ("gust", vec!["ada_l"]),
        ("KING", vec!["ada_l"]),
        ("race", vec!["grace"]),
        ("hopp", vec!["grace"]),
        ("  Grace  ", vec!["grace"]),
        ("gr", vec!["grace"]),
        ("ÉMI", vec!["Émile"]),
        ("émi", vec!["Émile"]),
        ("nobody", vec![]),
        ("example", vec![]),
        ("grace hopper", vec![]),
    ] {
        assert_eq!(usernames(&stage, &asker, text).await, found, "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn percent_underscore_and_backslash_are_letters(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("zoe").await;
    stage.import("a_b", "", "");
    stage.import("axb", "", "");
    stage.import("half", "50% off", "");
    stage.import("back", "C:\\x", "");
    for (text, found) in [
        ("a_b", vec!["a_b"]),
        ("_b", vec!["a_b"]),
        ("0%", vec!["half"]),
        ("%%", vec![]),
        ("__", vec![]),
        ("a%b", vec![]),
        (":\\", vec!["back"]),
        ("\\%", vec![]),
        ("'; --", vec![]),
    ] {
        assert_eq!(usernames(&stage, &asker, text).await, found, "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn a_found_user_has_a_picture_only_if_one_is_set(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [zoe, ada, bob] = stage.people(["zoe", "ada", "bob"]).await;
    let picture = "https://example.com/a.png";
    stage.here().patch("/api/auth/profile/").by(&ada).json(&json!({ "avatar": picture })).await.is(200);
    let mut with_picture = ada.person();
    with_picture["avatar"] = json!(picture);
    assert_eq!(search(&stage, &zoe, "ada").await, [with_picture]);
    assert_eq!(search(&stage, &zoe, "bob").await, [bob.person()]);
    stage.here().patch("/api/auth/profile/").by(&ada).json(&json!({ "avatar": null })).await.is(200);
    assert_eq!(search(&stage, &zoe, "ada").await, [ada.person()]);
}

#[rstest]
#[tokio::test]
async fn a_search_never_finds_the_asker_and_at_most_twenty(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("person_0").await;
    for number in 1..=25 {
        stage.import(&format!("person_{number}"), "", "");
    }
    for text in ["person", "", "p"] {
        let found = usernames(&stage, &asker, text).await;
        assert_eq!(found.len(), 20, "{text}");
        assert!(!found.contains(&asker.username), "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn a_short_search_lists_the_newest_without_superusers(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("zoe").await;
    stage.import("root", "Root", "");
    stage.sql("UPDATE users SET is_superuser = TRUE WHERE username = 'root'");
    for (name, joined) in [("old", "2001-01-01"), ("new", "2003-01-01"), ("middle", "2002-01-01")] {
        stage.import(name, "", "");
        stage.sql(&format!("UPDATE users SET date_joined = '{joined} 00:00:00' WHERE username = '{name}'"));
    }
    for text in ["", "x", "  ", " x "] {
        let found = search(&stage, &asker, text).await;
        let names: Vec<_> = found.iter().map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!(names, ["new", "middle", "old"], "{text:?}");
    }
    let found = stage.here().get("/api/auth/search/").by(&asker).await.is(200);
    assert_eq!(found[0]["username"], "new");
    assert_eq!(usernames(&stage, &asker, "root").await, ["root"]);
}

#[rstest]
#[tokio::test]
async fn a_search_for_far_more_than_a_name_is_no_fault(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("zoe").await;
    for text in ["x".repeat(501), "%".repeat(20_000), "x".repeat(60_000)] {
        assert_eq!(search(&stage, &asker, &text).await, [] as [Value; 0]);
    }
    let longest = "x".repeat(150);
    stage.import(&longest, "", "");
    assert_eq!(usernames(&stage, &asker, &longest).await, [longest]);
}

#[rstest]
#[tokio::test]
async fn a_search_for_nul_is_no_fault(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let asker = stage.person("zoe").await;
    for query in ["q=a%00b", "q=%00", "q=%ff%fe", "q=%ED%A0%80", "q", "q=a&q=%00%00"] {
        stage.here().get(&format!("/api/auth/search/?{query}")).by(&asker).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn a_users_page_is_open_and_hides_the_email(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut page = json!({
        "id": ada.id, "username": "ada", "email": "", "first_name": "Ada", "last_name": "Ample", "profile_picture": null,
    });
    stage.there().get("/api/auth/users/ada/").await.says(200, page.clone());
    stage.there().get("/api/auth/users/ada/").by(&bob).await.says(200, page.clone());
    page["profile_picture"] = json!("https://example.com/a.png");
    let body = json!({ "avatar": page["profile_picture"] });
    stage.here().patch("/api/auth/profile/").by(&ada).json(&body).await.is(200);
    stage.there().get("/api/auth/users/ada/").await.says(200, page);
    // The whole answer holds the address nowhere.
    assert!(!stage.there().get("/api/auth/users/ada/").await.text.contains("ada@example.com"));
}

#[rstest]
#[tokio::test]
async fn a_users_page_needs_the_very_name(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    stage.person("ada").await;
    stage.import("two words", "", "");
    stage.import("ädä", "", "");
    assert_eq!(stage.here().get("/api/auth/users/two%20words/").await.is(200)["username"], "two words");
    assert_eq!(stage.here().get("/api/auth/users/%C3%A4d%C3%A4/").await.is(200)["username"], "ädä");
    for name in [
        "Ada",
        "ad",
        "ada%20",
        "a%00b",
        "%25",
        "nobody",
        "1",
        "%ff",
        "%C3",
        "%F0%9F%92%A5",
        "%2F",
        "%zz",
        "a%0Ab",
    ] {
        let answer = stage.here().get(&format!("/api/auth/users/{name}/")).await;
        assert_eq!(
            (answer.status, answer.json()["detail"].clone()),
            (404, json!("No User matches the given query.")),
            "{name}"
        );
    }
}
