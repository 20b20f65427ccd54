//! `POST /api/posts/`

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Stage, assert_timestamp, both_modes};

const KEYS: [&str; 17] = [
    "id",
    "author",
    "content",
    "type",
    "media_url",
    "created_at",
    "updated_at",
    "parent",
    "target_profile",
    "target_profile_id",
    "reply_to_comment",
    "mentioned_user",
    "reply_count",
    "likes_count",
    "comment_count",
    "shares_count",
    "is_liked",
];

#[apply(both_modes)]
async fn the_response_is_the_whole_post(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = "https://example.com/a.png";
    let body = json!({
        "content": "  hello\nworld ", "type": "media", "media_url": link,
        "id": 7, "author": 1, "likes_count": 9, "comment_count": 9, "shares_count": 9, "reply_count": 9,
        "is_liked": true, "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
    });
    let post = stage.here().write(&ada, body).await;
    let expected = json!({
        "id": post["id"], "author": ada.in_post(&post["author"], true), "content": "hello\nworld",
        "type": "media", "media_url": link, "created_at": post["created_at"], "updated_at": post["created_at"],
        "parent": null, "target_profile": null, "target_profile_id": null, "reply_to_comment": null,
        "mentioned_user": null, "reply_count": 0, "likes_count": 0, "comment_count": 0, "shares_count": 0,
        "is_liked": false,
    });
    assert_eq!(post, expected);
    assert_eq!(post.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
    assert_timestamp(&post["created_at"]);
    assert_timestamp(&post["author"]["date_joined"]);
    let bob = stage.person("bob").await;
    let seen = stage.there().get(&format!("/api/posts/{}/", post["id"])).by(&bob).await.is(200);
    assert_eq!(seen["author"], ada.in_post(&seen["author"], false));
}

#[apply(both_modes)]
async fn what_is_not_given_has_a_default(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for (body, content, media_url) in [
        (json!({ "content": "x" }), "x", json!(null)),
        (json!({ "content": 42, "media_url": "" }), "42", json!(null)),
        (json!({ "content": " ", "media_url": "http://example.com/a" }), "", json!("http://example.com/a")),
        (json!({ "media_url": "http://example.com/a" }), "", json!("http://example.com/a")),
        (
            json!({ "content": "x", "media_url": null, "parent_id": null, "target_profile_id": "", "reply_to_comment_id": null, "mentioned_user_id": "", "mentioned_username": null }),
            "x",
            json!(null),
        ),
        (json!({ "content": "😀".repeat(500) }), &"😀".repeat(500), json!(null)),
    ] {
        let post = stage.here().write(&ada, body.clone()).await;
        assert_eq!(post["type"], "thoughts", "{body}");
        assert_eq!((&post["content"], &post["media_url"]), (&json!(content), &media_url), "{body}");
    }
}

#[apply(both_modes)]
async fn every_invalid_field_is_named(mode: Mode) {
    const PK: &str = "Incorrect type. Expected pk value, received";
    const EMPTY: &str = "A post needs a text or a picture.";
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let post = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    let unknown = |id: &str| format!("Invalid pk \"{id}\" - object does not exist.");
    let long = format!("https://example.com/{}", "x".repeat(500));
    for (body, errors) in [
        (json!({}), json!({ "content": [EMPTY] })),
        (json!({ "content": " \n", "media_url": "" }), json!({ "content": [EMPTY] })),
        (json!({ "content": null }), json!({ "content": ["This field may not be null."] })),
        (json!({ "content": [] }), json!({ "content": ["Not a valid string."] })),
        (json!({ "content": true }), json!({ "content": ["Not a valid string."] })),
        (json!({ "content": "a\0b" }), json!({ "content": ["Null characters are not allowed."] })),
        (
            json!({ "content": "x".repeat(501) }),
            json!({ "content": ["Ensure this field has no more than 500 characters."] }),
        ),
        (json!({ "content": "x", "type": "" }), json!({ "type": ["\"\" is not a valid choice."] })),
        (json!({ "content": "x", "type": "poem" }), json!({ "type": ["\"poem\" is not a valid choice."] })),
        (json!({ "content": "x", "type": 7 }), json!({ "type": ["\"7\" is not a valid choice."] })),
        (json!({ "content": "x", "type": null }), json!({ "type": ["This field may not be null."] })),
        (json!({ "content": "x", "media_url": "a.png" }), json!({ "media_url": ["Enter a valid URL."] })),
        (
            json!({ "content": "x", "media_url": "ftp://example.com/a" }),
            json!({ "media_url": ["Enter a valid URL."] }),
        ),
        (
            json!({ "content": "x", "media_url": "javascript:alert(1)" }),
            json!({ "media_url": ["Enter a valid URL."] }),
        ),
        (
            json!({ "content": "x", "media_url": long }),
            json!({ "media_url": ["Ensure this field has no more than 500 characters."] }),
        ),
        (json!({ "content": "x", "parent_id": 99 }), json!({ "parent_id": [unknown("99")] })),
        (json!({ "content": "x", "parent_id": "-1" }), json!({ "parent_id": [unknown("-1")] })),
        (
            json!({ "content": "x", "parent_id": "99999999999999999999" }),
            json!({ "parent_id": [unknown("99999999999999999999")] }),
        ),
        (json!({ "content": "x", "parent_id": "x" }), json!({ "parent_id": [format!("{PK} str.")] })),
        (json!({ "content": "x", "parent_id": 1.5 }), json!({ "parent_id": [format!("{PK} float.")] })),
        (json!({ "content": "x", "parent_id": true }), json!({ "parent_id": [format!("{PK} bool.")] })),
        (
            json!({ "content": "x", "target_profile_id": [1] }),
            json!({ "target_profile_id": [format!("{PK} list.")] }),
        ),
        (json!({ "content": "x", "target_profile_id": 99 }), json!({ "target_profile_id": [unknown("99")] })),
        (
            json!({ "type": "poem", "media_url": "x", "parent_id": 99, "target_profile_id": {}, "mentioned_username": [] }),
            json!({
                "type": ["\"poem\" is not a valid choice."], "media_url": ["Enter a valid URL."],
                "target_profile_id": [format!("{PK} dict.")], "mentioned_username": ["Not a valid string."],
                "parent_id": [unknown("99")],
            }),
        ),
        (
            json!({ "content": "x", "parent_id": post, "mentioned_user_id": 99, "reply_to_comment_id": 99 }),
            json!({ "mentioned_user_id": [unknown("99")], "reply_to_comment_id": [unknown("99")] }),
        ),
    ] {
        let response = stage.here().post("/api/posts/").by(&ada).json(&body).await;
        assert_eq!((response.status, response.json()), (400, errors), "{body}");
    }
    let response = stage.here().post("/api/posts/").by(&ada).json(&json!([])).await;
    assert!(response.is(400)["non_field_errors"][0].is_string());
    assert_eq!(stage.number("SELECT COUNT(*) FROM posts"), 1);
}

#[apply(both_modes)]
async fn what_belongs_to_replies_needs_a_parent(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let post = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    let reply = stage.here().write(&bob, json!({ "content": "y", "parent_id": post })).await["id"].take();
    let other = stage.here().write(&ada, json!({ "content": "z" })).await["id"].take();
    for (body, field) in [
        (json!({ "content": "x", "mentioned_user_id": bob.id }), "mentioned_user_id"),
        (json!({ "content": "x", "reply_to_comment_id": reply }), "reply_to_comment_id"),
        (json!({ "content": "x", "parent_id": post, "reply_to_comment_id": other }), "reply_to_comment_id"),
        (json!({ "content": "x", "parent_id": other, "reply_to_comment_id": reply }), "reply_to_comment_id"),
        (json!({ "content": "x", "parent_id": post, "target_profile_id": bob.id }), "target_profile_id"),
    ] {
        let errors = stage.here().post("/api/posts/").by(&ada).json(&body).await.is(400);
        assert_eq!(errors.as_object().unwrap().keys().collect::<Vec<_>>(), [field], "{body}");
    }
    let body = json!({ "content": "x", "parent_id": post.to_string(), "reply_to_comment_id": reply, "mentioned_user_id": bob.id });
    let nested = stage.here().write(&ada, body).await;
    assert_eq!((&nested["parent"], &nested["reply_to_comment"]), (&post, &reply));
    assert_eq!(nested["mentioned_user"], bob.in_post(&nested["mentioned_user"], false));
}

#[apply(both_modes)]
async fn only_friends_write_on_a_wall(mode: Mode) {
    const FORBIDDEN: &str = "You can only post on the walls of your friends";
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let body = json!({ "content": "x", "target_profile_id": bob.id });
    let write = async || stage.here().post("/api/posts/").by(&ada).json(&body).await;
    write().await.is_error(403, FORBIDDEN);
    // A request is no friendship yet.
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    write().await.is_error(403, FORBIDDEN);
    stage.here().post(&format!("/api/friends/request/{}/", ada.id)).by(&bob).await.is(201);
    let post = write().await.is(201);
    assert_eq!(post["target_profile_id"], bob.id);
    assert_eq!(post["target_profile"], bob.in_post(&post["target_profile"], false));
    stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    write().await.is_error(403, FORBIDDEN);
}

#[apply(both_modes)]
async fn a_post_on_ones_own_wall_is_an_ordinary_one(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let post = stage.here().write(&ada, json!({ "content": "x", "target_profile_id": ada.id })).await;
    assert_eq!((&post["target_profile"], &post["target_profile_id"]), (&Value::Null, &Value::Null));
    assert_eq!(feed(&stage, &ada).await, json!([post]));
}

async fn feed(stage: &Stage, person: &crate::support::Person) -> Value {
    stage.there().get("/api/posts/").by(person).await.is(200)
}

#[apply(both_modes)]
async fn a_form_is_a_post_too(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let post = stage.here().post("/api/posts/").by(&ada).form(&[("content", "x"), ("parent_id", "")]).await;
    assert_eq!(post.is(201)["content"], "x");
}

#[apply(both_modes)]
async fn the_rate_of_posts_is_limited(mode: Mode) {
    let stage = mode.stage_with(&[("LIMIT_POSTS_BY_PERSON", "1/1h")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for person in [&ada, &bob] {
        stage.here().write(person, json!({ "content": "x" })).await;
    }
    let response = stage.here().post("/api/posts/").by(&ada).json(&json!({ "content": "x" })).await;
    response.has_detail(429, "Too many attempts. Try again later.");
}
