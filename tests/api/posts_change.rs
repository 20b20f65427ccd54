//! `PATCH`, `PUT` and `DELETE /api/posts/<id>/`

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Response, Stage, both_modes};

async fn change(stage: &Stage, person: &Person, id: &Value, body: Value) -> Response {
    stage.there().patch(&format!("/api/posts/{id}/")).by(person).json(&body).await
}

async fn delete(stage: &Stage, person: &Person, id: &Value) -> Response {
    stage.there().delete(&format!("/api/posts/{id}/")).by(person).await
}

#[apply(both_modes)]
async fn what_is_not_named_stays(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let link = "https://example.com/a";
    let mut post = stage.here().write(&ada, json!({ "content": "x", "media_url": link })).await;
    let id = post["id"].clone();
    for (body, field, value) in [
        (json!({ "content": " y " }), "content", json!("y")),
        (json!({ "type": "milestones" }), "type", json!("milestones")),
        (json!({ "media_url": "" }), "media_url", json!(null)),
        (json!({ "media_url": link }), "media_url", json!(link)),
        (json!({ "media_url": null }), "media_url", json!(null)),
        (json!({}), "type", json!("milestones")),
        (
            json!({ "likes_count": 9, "comment_count": 9, "shares_count": 9, "parent_id": 1, "target_profile_id": bob.id, "author": bob.id, "mentioned_user_id": bob.id, "reply_to_comment_id": 1, "created_at": "2020-01-01T00:00:00Z" }),
            "content",
            json!("y"),
        ),
    ] {
        let changed = change(&stage, &ada, &id, body.clone()).await.is(200);
        assert!(changed["updated_at"].as_str() > post["updated_at"].as_str(), "{body}");
        post[field] = value;
        post["updated_at"] = changed["updated_at"].clone();
        assert_eq!(changed, post, "{body}");
    }
    let put = stage.here().put(&format!("/api/posts/{id}/")).by(&ada).json(&json!({ "content": "z" })).await;
    assert_eq!(put.is(200)["content"], "z");
}

#[apply(both_modes)]
async fn a_change_is_checked_as_a_post_is(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = "https://example.com/a";
    let id = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    let empty = json!({ "content": ["A post needs a text or a picture."] });
    for (body, errors) in [
        (json!({ "content": "" }), empty.clone()),
        (json!({ "content": null }), json!({ "content": ["This field may not be null."] })),
        (
            json!({ "type": "", "media_url": "ftp://a.b/c" }),
            json!({ "media_url": ["Enter a valid URL."], "type": ["\"\" is not a valid choice."] }),
        ),
    ] {
        change(&stage, &ada, &id, body).await.is_json(400, errors);
    }
    change(&stage, &ada, &id, json!({ "content": "", "media_url": link })).await.is(200);
    change(&stage, &ada, &id, json!({ "media_url": null })).await.is_json(400, empty);
    assert!(change(&stage, &ada, &id, json!([])).await.is(400)["non_field_errors"].is_array());
    let post = stage.here().get(&format!("/api/posts/{id}/")).by(&ada).await.is(200);
    assert_eq!((&post["content"], &post["media_url"]), (&json!(""), &json!(link)));
}

#[apply(both_modes)]
async fn only_its_author_changes_a_post(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    let body = json!({ "content": "x", "target_profile_id": bob.id });
    let id = stage.here().write(&ada, body).await["id"].take();
    for person in [&bob, &eve] {
        for body in [json!({ "content": "y" }), json!({ "content": null })] {
            change(&stage, person, &id, body).await.is_error(403, "You can only edit your own posts");
        }
    }
    let unknown = change(&stage, &ada, &json!(999_999_999), json!({ "content": null })).await;
    unknown.has_detail(404, "No Post matches the given query.");
    assert_eq!(stage.text("SELECT content FROM posts"), "x");
}

#[apply(both_modes)]
async fn its_author_and_the_owner_of_its_wall_delete_a_post(mode: Mode) {
    const FORBIDDEN: &str = "You can only delete your own posts";
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    for deleter in [&ada, &bob] {
        let body = json!({ "content": "x", "target_profile_id": bob.id });
        let id = stage.here().write(&ada, body).await["id"].take();
        delete(&stage, &eve, &id).await.is_error(403, FORBIDDEN);
        let response = delete(&stage, deleter, &id).await;
        assert_eq!((response.status, response.text.as_str()), (204, ""));
        delete(&stage, deleter, &id).await.has_detail(404, "No Post matches the given query.");
    }
    let id = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    delete(&stage, &bob, &id).await.is_error(403, FORBIDDEN);
}

#[apply(both_modes)]
async fn replies_and_likes_are_deleted_with_a_post(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let post = here.write(&ada, json!({ "content": "x" })).await["id"].take();
    let reply = here.write(&bob, json!({ "content": "y", "parent_id": post })).await["id"].take();
    let body = json!({ "content": "z", "parent_id": post, "reply_to_comment_id": reply });
    let other = here.write(&ada, body).await["id"].take();
    here.write(&ada, json!({ "content": "nested", "parent_id": reply })).await;
    here.post(&format!("/api/posts/{reply}/like/")).by(&ada).await.is(200);
    let counted =
        async || here.get(&format!("/api/posts/{post}/")).by(&ada).await.is(200)["reply_count"].take();
    assert_eq!(counted().await, 2);

    assert_eq!(delete(&stage, &bob, &reply).await.status, 204);
    assert_eq!(counted().await, 1);
    let other = here.get(&format!("/api/posts/{other}/")).by(&ada).await.is(200);
    assert_eq!(other["reply_to_comment"], Value::Null);
    assert_eq!(stage.number("SELECT COUNT(*) FROM posts"), 2, "the nested reply is deleted");
    assert_eq!(stage.number("SELECT COUNT(*) FROM post_likes"), 0);

    assert_eq!(delete(&stage, &ada, &post).await.status, 204);
    assert_eq!(stage.number("SELECT COUNT(*) FROM posts"), 0);
}

#[apply(both_modes)]
async fn counts_are_those_of_the_rows_after_a_user_is_deleted(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let post = here.write(&ada, json!({ "content": "x" })).await["id"].take();
    for person in [&ada, &bob] {
        here.post(&format!("/api/posts/{post}/like/")).by(person).await.is(200);
        here.write(person, json!({ "content": "y", "parent_id": post })).await;
    }
    stage.sql("DELETE FROM users WHERE username = 'bob'");
    let post = here.get(&format!("/api/posts/{post}/")).by(&ada).await.is(200);
    assert_eq!((&post["likes_count"], &post["reply_count"]), (&json!(1), &json!(1)));
}
