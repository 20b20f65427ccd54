//! `POST /api/posts/<id>/like/` and `share/`

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Response, Stage, both_modes};

async fn like(stage: &Stage, person: &Person, id: &Value, body: Value) -> Response {
    stage.here().post(&format!("/api/posts/{id}/like/")).by(person).json(&body).await
}

async fn post(stage: &Stage, author: &Person) -> Value {
    stage.here().write(author, json!({ "content": "x" })).await["id"].take()
}

#[apply(both_modes)]
async fn a_like_is_there_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let id = post(&stage, &ada).await;
    for (person, body, likes, is_liked) in [
        (&ada, json!({ "action": "like" }), 1, true),
        (&ada, json!({ "action": "like" }), 1, true),
        (&bob, json!({ "action": "unlike" }), 1, false),
        (&bob, json!({}), 2, true),
        (&bob, json!({ "action": null }), 1, false),
        (&bob, json!({ "action": null }), 2, true),
        (&ada, json!({ "action": "unlike" }), 1, false),
        (&ada, json!({ "action": "unlike" }), 1, false),
    ] {
        let liked = like(&stage, person, &id, body.clone()).await.is(200);
        assert_eq!((&liked["likes_count"], &liked["is_liked"]), (&json!(likes), &json!(is_liked)), "{body}");
    }
    for (person, is_liked) in [(&ada, false), (&bob, true)] {
        let seen = stage.there().get("/api/posts/").by(person).await.is(200);
        assert_eq!((&seen[0]["likes_count"], &seen[0]["is_liked"]), (&json!(1), &json!(is_liked)));
    }
}

#[apply(both_modes)]
async fn another_action_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let id = post(&stage, &ada).await;
    for action in [json!("love"), json!(""), json!(1), json!([])] {
        let errors = like(&stage, &ada, &id, json!({ "action": action })).await.is(400);
        assert!(errors["action"][0].is_string(), "{action}");
    }
    assert!(like(&stage, &ada, &id, json!([])).await.is(400)["non_field_errors"].is_array());
}

#[apply(both_modes)]
async fn concurrent_likes_are_all_counted(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let people: Vec<_> = (0..12).map(|number| stage.import(&format!("p{number}"), "P", "")).collect();
    let id = post(&stage, &ada).await;
    let all = async |body: Value| {
        let path = format!("/api/posts/{id}/like/");
        // Each person twice at once.
        let likes = people.iter().chain(&people).zip(stage.round_robin());
        let likes = likes.map(|(person, instance)| instance.post(&path).by(person).json(&body).into_future());
        for response in join_all(likes).await {
            response.is(200);
        }
        stage.here().get(&format!("/api/posts/{id}/")).by(&ada).await.is(200)["likes_count"].take()
    };
    assert_eq!(all(json!({ "action": "like" })).await, 12);
    // An even number of toggles changes nothing.
    assert_eq!(all(json!({})).await, 12);
    assert_eq!(all(json!({ "action": "unlike" })).await, 0);
    assert_eq!(stage.number("SELECT COUNT(*) FROM post_likes"), 0);
}

#[apply(both_modes)]
async fn a_like_changes_nothing_else(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let before = stage.here().write(&ada, json!({ "content": "x" })).await;
    let after = like(&stage, &ada, &before["id"], json!({})).await.is(200);
    let mut expected = before.clone();
    expected["likes_count"] = json!(1);
    expected["is_liked"] = json!(true);
    assert_eq!(after, expected);
}

#[apply(both_modes)]
async fn every_share_is_counted(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let id = post(&stage, &ada).await;
    let path = format!("/api/posts/{id}/share/");
    let shares = (0..10).zip(stage.round_robin()).map(|(_, it)| it.post(&path).by(&bob).into_future());
    for response in join_all(shares).await {
        response.is(200);
    }
    // The body is not read.
    let response = stage.here().post(&path).by(&bob).body("application/json", "{").await;
    assert_eq!(response.is(200)["shares_count"], 11);
}

#[apply(both_modes)]
async fn the_rate_of_likes_and_shares_is_limited(mode: Mode) {
    let stage = mode.stage_with(&[("LIMIT_REACTIONS_BY_PERSON", "1/1h")]);
    let ada = stage.person("ada").await;
    let id = post(&stage, &ada).await;
    like(&stage, &ada, &id, json!({})).await.is(200);
    let response = stage.here().post(&format!("/api/posts/{id}/share/")).by(&ada).await;
    response.has_detail(429, "Too many attempts. Try again later.");
    like(&stage, &ada, &id, json!({})).await.has_detail(429, "Too many attempts. Try again later.");
}
