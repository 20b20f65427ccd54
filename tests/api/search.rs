//! `GET /api/auth/search/` and `GET /api/auth/users/<username>/`

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Stage, assert_timestamp, both_modes};

async fn search(stage: &Stage, searcher: &Person, text: &str) -> Vec<Value> {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
    let found = stage.there().get(&format!("/api/auth/search/?{query}")).by(searcher).await.is(200);
    found.as_array().unwrap().clone()
}

async fn usernames(stage: &Stage, searcher: &Person, text: &str) -> Vec<String> {
    let mut names: Vec<_> = search(stage, searcher, text)
        .await
        .iter()
        .map(|user| user["username"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[apply(both_modes)]
async fn a_search_matches_parts_of_names_in_any_case(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
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
        assert_eq!(usernames(&stage, &searcher, text).await, found, "{text}");
    }
}

#[apply(both_modes)]
async fn percent_underscore_and_backslash_match_only_themselves(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
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
        assert_eq!(usernames(&stage, &searcher, text).await, found, "{text}");
    }
}

#[apply(both_modes)]
async fn users_older_than_thousands_of_others_are_found(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    stage.import("qzardoz", "Żółć", "O''-.X");
    for (table, columns, values) in [
        (
            "users",
            "username, email, email_key, password_hash, first_name, last_name, search_key, date_joined",
            "'other' || n, n || '@o', n || '@o', '!', '', '', 'other' || n, CURRENT_TIMESTAMP FROM series",
        ),
        (
            "profiles",
            "user_id, created_at, updated_at",
            "id, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM users WHERE username LIKE 'other%'",
        ),
    ] {
        stage.sql(&format!(
            "INSERT INTO {table} ({columns}) WITH RECURSIVE series(n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 2500) SELECT {values}"
        ));
    }
    for text in ["qz", "QZARDOZ", "doz", "żó", "ŁĆ", "'-", "-.", "'-.", ".x"] {
        assert_eq!(usernames(&stage, &ada, text).await, ["qzardoz"], "{text}");
    }
    for text in ["q%", "__", "zq", "qzardozz"] {
        assert!(usernames(&stage, &ada, text).await.is_empty(), "{text}");
    }
    assert_eq!(usernames(&stage, &ada, "other1").await.len(), 20);
}

#[apply(both_modes)]
async fn a_result_has_a_picture_only_if_one_is_set(mode: Mode) {
    let stage = mode.stage();
    let [zoe, ada, bob] = stage.people(["zoe", "ada", "bob"]).await;
    let picture = "https://example.com/a.png";
    stage.here().patch("/api/auth/profile/").by(&ada).json(&json!({ "avatar": picture })).await.is(200);
    let mut with_picture = ada.with_picture(Some(picture));
    with_picture["avatar"] = json!(picture);
    assert_eq!(search(&stage, &zoe, "ada").await, [with_picture]);
    assert_eq!(search(&stage, &zoe, "bob").await, [bob.with_picture(None)]);
    stage.here().patch("/api/auth/profile/").by(&ada).json(&json!({ "avatar": null })).await.is(200);
    assert_eq!(search(&stage, &zoe, "ada").await, [ada.with_picture(None)]);
}

#[apply(both_modes)]
async fn a_search_finds_at_most_twenty_people_and_never_the_searcher(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("person_0").await;
    for number in 1..=25 {
        stage.import(&format!("person_{number}"), "", "");
    }
    for text in ["person", "", "p"] {
        let found = usernames(&stage, &searcher, text).await;
        assert_eq!(found.len(), 20, "{text}");
        assert!(!found.contains(&searcher.username), "{text}");
    }
}

/// Otherwise nobody finds `anni` among people named `annika1` and so on.
#[apply(both_modes)]
async fn the_exact_name_comes_first_then_names_that_begin_with_the_text_then_the_rest(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
    let ordered = async |text: &str| {
        let found = search(&stage, &searcher, text).await;
        found.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    stage.import("anni", "", "");
    stage.import("susanni", "", "");
    stage.import("d", "Dannika", "");
    stage.import("e", "", "Annie");
    stage.import("f", "Anni", "F");
    stage.import("g", "", "Anni");
    let found = ordered("ANNI").await;
    assert_eq!(found[..1], ["anni"]);
    let (mut names, mut rest) = (found[1..3].to_vec(), found[4..].to_vec());
    names.sort();
    rest.sort();
    assert_eq!(
        (names, found[3].as_str(), rest),
        (vec!["f".into(), "g".into()], "e", vec!["d".into(), "susanni".into()])
    );
    for number in 1..=22 {
        stage.import(&format!("annika{number:02}"), "", "");
    }
    let found = ordered("anni").await;
    let annikas = (1..20).map(|number| format!("annika{number:02}"));
    assert_eq!(found, [String::from("anni")].into_iter().chain(annikas).collect::<Vec<_>>());
    stage.sql("UPDATE users SET date_joined = '2001-01-01 00:00:00' WHERE username IN ('anni', 'f')");
    assert_eq!(ordered("anni").await[0], "anni");
}

#[apply(both_modes)]
async fn a_deactivated_account_is_not_found_nor_suggested_nor_written_to(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (here, friend_request) = (stage.here(), format!("/api/friends/request/{}/", bob.id));
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    for text in ["bob", "ob", "", "b"] {
        assert!(search(&stage, &ada, text).await.is_empty(), "{text}");
    }
    here.get("/api/friends/suggestions/").by(&ada).await.is_json(200, json!([]));
    here.get("/api/auth/users/bob/").await.has_detail(404, "No User matches the given query.");
    here.post(&friend_request).by(&ada).await.is_error(404, "User not found");
    let message = json!({ "receiver_id": bob.id, "content": "hello" });
    let refused = here.post("/api/messages/").by(&ada).json(&message).await;
    refused.is_json(400, json!({ "receiver_id": ["User not found."] }));
    stage.sql(&format!("UPDATE users SET is_active = TRUE WHERE id = {}", bob.id));
    assert_eq!(usernames(&stage, &ada, "bob").await, ["bob"]);
    here.post("/api/messages/").by(&ada).json(&message).await.is(201);
}

#[apply(both_modes)]
async fn a_search_for_less_than_two_characters_lists_the_newest_users_without_superusers(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
    stage.import("root", "Root", "");
    stage.sql("UPDATE users SET is_superuser = TRUE WHERE username = 'root'");
    for (name, joined) in [("old", "2001-01-01"), ("new", "2003-01-01"), ("middle", "2002-01-01")] {
        stage.import(name, "", "");
        stage.sql(&format!("UPDATE users SET date_joined = '{joined} 00:00:00' WHERE username = '{name}'"));
    }
    for text in ["", "x", "  ", " x "] {
        let found = search(&stage, &searcher, text).await;
        let names: Vec<_> = found.iter().map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!(names, ["new", "middle", "old"], "{text:?}");
    }
    let found = stage.here().get("/api/auth/search/").by(&searcher).await.is(200);
    assert_eq!(found[0]["username"], "new");
    assert_eq!(usernames(&stage, &searcher, "root").await, ["root"]);
}

#[apply(both_modes)]
async fn a_search_for_a_very_long_text_succeeds(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
    for text in ["x".repeat(501), "%".repeat(20_000), "x".repeat(60_000)] {
        assert_eq!(search(&stage, &searcher, &text).await, [] as [Value; 0]);
    }
    let longest = "x".repeat(150);
    stage.import(&longest, "", "");
    assert_eq!(usernames(&stage, &searcher, &longest).await, [longest]);
}

#[apply(both_modes)]
async fn a_search_for_nul_or_invalid_utf_8_succeeds(mode: Mode) {
    let stage = mode.stage();
    let searcher = stage.person("zoe").await;
    for query in ["q=a%00b", "q=%00", "q=%ff%fe", "q=%ED%A0%80", "q", "q=a&q=%00%00"] {
        stage.here().get(&format!("/api/auth/search/?{query}")).by(&searcher).await.is(200);
    }
}

#[apply(both_modes)]
async fn the_public_profile_needs_no_token_and_hides_the_email(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut page = json!({
        "id": ada.id, "username": "ada", "email": "", "first_name": "Ada", "last_name": "Ample", "profile_picture": null,
    });
    let first = stage.there().get("/api/auth/users/ada/").await.is(200);
    page["date_joined"] = first["date_joined"].clone();
    page["profile"] = json!({ "bio": "", "location": "", "website": "", "avatar": null });
    assert_timestamp(&page["date_joined"]);
    assert_eq!(first, page);
    stage.there().get("/api/auth/users/ada/").by(&bob).await.is_json(200, page.clone());
    let body = json!({
        "bio": "hello", "location": "here", "website": "https://example.com", "avatar": "https://example.com/a.png",
    });
    page["profile_picture"] = body["avatar"].clone();
    page["profile"] = body.clone();
    stage.here().patch("/api/auth/profile/").by(&ada).json(&body).await.is(200);
    stage.there().get("/api/auth/users/ada/").await.is_json(200, page);
    // The email is nowhere in the response.
    assert!(!stage.there().get("/api/auth/users/ada/").await.text.contains("ada@example.com"));
}

#[apply(both_modes)]
async fn the_public_profile_needs_the_exact_username(mode: Mode) {
    let stage = mode.stage();
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
        let response = stage.here().get(&format!("/api/auth/users/{name}/")).await;
        assert_eq!(
            (response.status, response.json()["detail"].clone()),
            (404, json!("No User matches the given query.")),
            "{name}"
        );
    }
}
