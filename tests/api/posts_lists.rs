//! `GET /api/posts/` and `<id>/replies/`

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Stage, both_modes};

async fn get(stage: &Stage, person: &Person, path: &str) -> Value {
    stage.there().get(&format!("/api/posts/{path}")).by(person).await.is(200)
}

fn contents(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|post| post["content"].as_str().unwrap()).collect()
}

/// Writes posts of a person, on a wall or as replies if `place` says so.
async fn write(stage: &Stage, author: &Person, contents: &[&str], place: Value) -> Vec<Value> {
    let mut ids = Vec::new();
    for content in contents {
        let mut body = place.clone();
        body["content"] = json!(content);
        ids.push(stage.here().write(author, body).await["id"].take());
    }
    ids
}

#[apply(both_modes)]
async fn the_feed_has_everybodys_posts_newest_first(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    let first = write(&stage, &ada, &["one"], json!({})).await;
    write(&stage, &eve, &["two"], json!({})).await;
    write(&stage, &bob, &["a reply"], json!({ "parent_id": first[0] })).await;
    write(&stage, &ada, &["on a wall"], json!({ "target_profile_id": bob.id })).await;
    write(&stage, &bob, &["three"], json!({})).await;
    for path in ["", "?username=", "?unknown=1"] {
        assert_eq!(contents(&get(&stage, &bob, path).await), ["three", "two", "one"], "{path}");
    }
    let of_bob = get(&stage, &eve, "?username=bob").await;
    assert_eq!(contents(&of_bob), ["three", "on a wall"]);
    for nobody in ["nobody", "Bob", "bob%00", "%00"] {
        assert_eq!(get(&stage, &eve, &format!("?username={nobody}")).await, json!([]), "{nobody}");
    }
}

#[apply(both_modes)]
async fn replies_are_listed_newest_first(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let posts = write(&stage, &ada, &["one", "two"], json!({})).await;
    let replies = write(&stage, &bob, &["a", "b"], json!({ "parent_id": posts[0] })).await;
    write(&stage, &ada, &["nested"], json!({ "parent_id": replies[0] })).await;
    assert_eq!(contents(&get(&stage, &ada, &format!("{}/replies/", posts[0])).await), ["b", "a"]);
    assert_eq!(contents(&get(&stage, &ada, &format!("{}/replies/", replies[0])).await), ["nested"]);
    assert_eq!(get(&stage, &ada, &format!("{}/replies/", posts[1])).await, json!([]));
    let parent = get(&stage, &ada, &format!("{}/", posts[0])).await;
    assert_eq!((&parent["reply_count"], &parent["comment_count"]), (&json!(2), &json!(2)));
    let response = stage.here().get("/api/posts/999999999/replies/").by(&ada).await;
    response.has_detail(404, "No Post matches the given query.");
}

#[apply(both_modes)]
async fn pages_begin_with_the_newest_posts(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let own = write(&stage, &bob, &["0", "1", "2"], json!({})).await;
    write(&stage, &ada, &["3", "4"], json!({ "target_profile_id": bob.id })).await;
    write(&stage, &bob, &["5", "6"], json!({})).await;
    write(&stage, &ada, &["r0", "r1", "r2", "r3"], json!({ "parent_id": own[0] })).await;
    for path in ["".to_owned(), "?username=bob".to_owned(), format!("{}/replies/", own[0])] {
        let whole = get(&stage, &ada, &path).await;
        for limit in [1, 2, 3, 4, 5, 7, 200] {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut at = Some(format!("/api/posts/{path}{separator}limit={limit}"));
            let (mut found, mut pages) = (Vec::new(), 0);
            while let Some(page) = at {
                let page = stage.there().get(&page).by(&ada).await;
                at = page.next_page();
                found.extend(page.is(200).as_array().unwrap().clone());
                pages += 1;
            }
            assert_eq!(json!(found), whole, "{path} by {limit}");
            assert_eq!(pages, whole.as_array().unwrap().len().div_ceil(limit), "{path} by {limit}");
        }
    }
}

#[apply(both_modes)]
async fn a_page_may_begin_before_a_post_that_is_deleted(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let posts = write(&stage, &ada, &["0", "1", "2", "3"], json!({})).await;
    for deleted in [2, 0] {
        let path = format!("/api/posts/{}/", posts[deleted]);
        assert_eq!(stage.here().delete(&path).by(&ada).await.status, 204);
    }
    assert_eq!(contents(&get(&stage, &ada, &format!("?before={}", posts[3])).await), ["1"]);
    assert_eq!(contents(&get(&stage, &ada, &format!("?before={}", posts[2])).await), ["1"]);
    assert_eq!(contents(&get(&stage, &ada, &format!("?before={}", posts[0])).await), [""; 0]);
    assert_eq!(contents(&get(&stage, &ada, "?before=0").await), [""; 0]);
    assert_eq!(contents(&get(&stage, &ada, &format!("?before={}", i64::MAX)).await), ["3", "1"]);
}

#[apply(both_modes)]
async fn posts_of_one_moment_are_in_the_order_of_their_ids(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    write(&stage, &ada, &["0", "1", "2", "3"], json!({})).await;
    stage.sql("UPDATE posts SET created_at = '2026-01-01 00:00:00'");
    stage.sql("UPDATE posts SET created_at = '2026-01-02 00:00:00' WHERE content = '1'");
    assert_eq!(contents(&get(&stage, &ada, "").await), ["1", "3", "2", "0"]);
    let page = stage.here().get("/api/posts/?limit=2").by(&ada).await;
    let next = page.next_page().expect("a next page");
    assert_eq!(contents(&page.is(200)), ["1", "3"]);
    assert_eq!(contents(&stage.here().get(&next).by(&ada).await.is(200)), ["2", "0"]);
}

#[apply(both_modes)]
async fn a_list_without_a_limit_is_bounded(mode: Mode) {
    let stage = mode.stage_with(&[("MAX_POSTS_LISTED", "2")]);
    let ada = stage.person("ada").await;
    write(&stage, &ada, &["0", "1", "2", "3", "4"], json!({})).await;
    let mut at = Some("/api/posts/?username=ada".to_owned());
    let mut pages = Vec::new();
    while let Some(path) = at {
        let page = stage.there().get(&path).by(&ada).await;
        at = page.next_page();
        pages.push(contents(&page.is(200)).join(" "));
        assert!(at.as_ref().is_none_or(|at| !at.contains("limit")), "{at:?}");
    }
    assert_eq!(pages, ["4 3", "2 1", "0"]);
}

#[apply(both_modes)]
async fn emails_are_shown_to_their_owners_only(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    write(&stage, &ada, &["x"], json!({ "target_profile_id": bob.id })).await;
    for (viewer, emails) in
        [(&ada, [ada.email.as_str(), ""]), (&bob, ["", bob.email.as_str()]), (&eve, ["", ""])]
    {
        let post = get(&stage, viewer, "?username=bob").await[0].take();
        assert_eq!([&post["author"]["email"], &post["target_profile"]["email"]], emails);
    }
}
