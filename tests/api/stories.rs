//! `/api/stories/`: publishing, who sees what, views and reactions.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Response, Stage, assert_timestamp, both_modes, description, until};

const UNKNOWN: &str = "No Story matches the given query.";

async fn publish(stage: &Stage, person: &Person) -> Value {
    let body = json!({ "media_url": "https://example.com/a.png", "media_type": "image" });
    stage.here().post("/api/stories/").by(person).json(&body).await.is(201)
}

async fn list(stage: &Stage, person: &Person, path: &str) -> Value {
    stage.there().get(&format!("/api/stories/{path}")).by(person).await.is(200)["stories"].take()
}

async fn post(stage: &Stage, person: &Person, id: &Value, verb: &str, body: Value) -> Response {
    let path = format!("/api/stories/{}/{verb}/", id.as_str().unwrap());
    stage.here().post(&path).by(person).json(&body).await
}

async fn delete(stage: &Stage, person: &Person, id: &Value, rest: &str) -> Response {
    stage.here().delete(&format!("/api/stories/{}/{rest}", id.as_str().unwrap())).by(person).await
}

/// Ada and Bob are friends, and Eve is neither's.
async fn people(stage: &Stage) -> [Person; 3] {
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    [ada, bob, eve]
}

#[apply(both_modes)]
async fn the_response_is_the_whole_story(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = "https://example.com/a.mp4";
    let body =
        json!({ "media_url": link, "media_type": "video", "caption": " hi ", "view_count": 9, "user": 1 });
    let story = stage.here().post("/api/stories/").by(&ada).json(&body).await.is(201);
    let expected = json!({
        "id": story["id"], "user": ada.with_picture(None), "media_url": link, "media_type": "video",
        "caption": "hi", "created_at": story["created_at"], "expires_at": story["expires_at"],
        "is_viewed": false, "my_reaction": null, "user_reaction": null, "view_count": 0, "heart_count": 0,
        "thunder_count": 0,
    });
    assert_eq!(story, expected);
    assert_timestamp(&story["created_at"]);
    let time = |name: &str| {
        let text = story[name].as_str().unwrap();
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.6fZ").unwrap()
    };
    assert_eq!((time("expires_at") - time("created_at")).num_seconds(), 86_400);
    assert_eq!(list(&stage, &ada, "").await, json!([story]));
}

#[apply(both_modes)]
async fn every_invalid_field_is_named(mode: Mode) {
    const REQUIRED: &str = "This field is required.";
    const NULL: &str = "This field may not be null.";
    const URL: &str = "Enter a valid URL.";
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = "https://example.com/a";
    for (body, errors) in [
        (json!({}), json!({ "media_url": [REQUIRED], "media_type": [REQUIRED] })),
        (
            json!({ "media_url": null, "media_type": null, "caption": null }),
            json!({ "media_url": [NULL], "media_type": [NULL] }),
        ),
        (
            json!({ "media_url": " ", "media_type": "gif" }),
            json!({ "media_url": ["This field may not be blank."], "media_type": ["\"gif\" is not a valid choice."] }),
        ),
        (json!({ "media_url": "ftp://a.b/c", "media_type": "image" }), json!({ "media_url": [URL] })),
        (
            json!({ "media_url": format!("{link}{}", "a".repeat(500)), "media_type": "image" }),
            json!({ "media_url": ["Ensure this field has no more than 500 characters."] }),
        ),
        (
            json!({ "media_url": link, "media_type": "image", "caption": "x".repeat(201) }),
            json!({ "caption": ["Ensure this field has no more than 200 characters."] }),
        ),
    ] {
        let response = stage.here().post("/api/stories/").by(&ada).json(&body).await;
        assert_eq!((response.status, response.json()), (400, errors), "{body}");
    }
}

#[apply(both_modes)]
async fn only_friends_see_a_story(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = people(&stage).await;
    let first = publish(&stage, &ada).await;
    let of_bob = publish(&stage, &bob).await;
    let story = publish(&stage, &ada).await;
    let id = &story["id"];
    let (all, hers) = (json!([story, of_bob, first]), json!([story, first]));
    for person in [&ada, &bob] {
        assert_eq!(list(&stage, person, "").await, all);
        assert_eq!(list(&stage, person, &format!("user/{}/", ada.id)).await, hers);
    }
    assert_eq!(list(&stage, &ada, "me/").await, hers);
    assert_eq!(list(&stage, &bob, "me/").await, json!([of_bob]));
    assert_eq!(list(&stage, &ada, "user/999999999999/").await, json!([]));

    // A request is no friendship.
    stage.here().post(&format!("/api/friends/request/{}/", eve.id)).by(&ada).await.is(201);
    for path in ["".to_owned(), format!("user/{}/", ada.id)] {
        assert_eq!(list(&stage, &eve, &path).await, json!([]), "{path}");
    }
    is_hidden(&stage, &eve, id).await;

    stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    assert_eq!(list(&stage, &bob, "").await, json!([of_bob]));
    is_hidden(&stage, &bob, id).await;
}

async fn is_hidden(stage: &Stage, person: &Person, id: &Value) {
    let heart = json!({ "reaction_type": "heart" });
    post(stage, person, id, "view", json!({})).await.has_detail(404, UNKNOWN);
    post(stage, person, id, "react", heart).await.has_detail(404, UNKNOWN);
    delete(stage, person, id, "react/").await.has_detail(404, UNKNOWN);
    delete(stage, person, id, "").await.has_detail(404, UNKNOWN);
}

#[apply(both_modes)]
async fn an_expired_story_is_nowhere(mode: Mode) {
    let stage = mode.stage_with(&[("STORY_LIFETIME_SECONDS", "3600")]);
    let [ada, bob, _] = people(&stage).await;
    let story = publish(&stage, &ada).await;
    stage.sql("UPDATE stories SET expires_at = '2026-01-01 00:00:00'");
    for person in [&ada, &bob] {
        for path in ["".to_owned(), format!("user/{}/", ada.id)] {
            assert_eq!(list(&stage, person, &path).await, json!([]), "{path}");
        }
        is_hidden(&stage, person, &story["id"]).await;
    }
    assert_eq!(list(&stage, &ada, "me/").await, json!([]));
}

#[apply(both_modes)]
async fn a_view_counts_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, _] = people(&stage).await;
    let id = publish(&stage, &ada).await["id"].take();
    let own = post(&stage, &ada, &id, "view", json!({})).await.is(200);
    assert_eq!((&own["success"], &own["view_count"]), (&json!(true), &json!(0)));
    assert!(own["message"].is_string());
    let path = format!("/api/stories/{}/view/", id.as_str().unwrap());
    let views = (0..8).zip(stage.round_robin()).map(|(_, it)| it.post(&path).by(&bob).into_future());
    for response in join_all(views).await {
        response.is(200);
    }
    post(&stage, &bob, &id, "view", json!({}))
        .await
        .is_json(200, json!({ "success": true, "view_count": 1 }));
    let [seen, own] = [list(&stage, &bob, "").await, list(&stage, &ada, "").await];
    assert_eq!((&seen[0]["is_viewed"], &own[0]["is_viewed"]), (&json!(true), &json!(false)));
    assert_eq!(own[0]["view_count"], 1);
}

#[apply(both_modes)]
async fn a_person_has_one_reaction(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, _] = people(&stage).await;
    let id = publish(&stage, &ada).await["id"].take();
    let mut socket = stage.there().socket(&ada).await;
    for (reaction, hearts, thunders, is_event) in
        [("heart", 1, 0, true), ("heart", 1, 0, false), ("thunder", 0, 1, true), ("heart", 1, 0, true)]
    {
        let body = json!({ "reaction_type": reaction });
        let expected = json!({
            "success": true, "reaction_type": reaction, "my_reaction": reaction, "user_reaction": reaction,
            "heart_count": hearts, "thunder_count": thunders,
        });
        post(&stage, &bob, &id, "react", body).await.is_json(200, expected);
        if is_event {
            let text = socket.text().await;
            assert_eq!(description().server_frame(&text), "story_reaction", "{text}");
            let event: Value = serde_json::from_str(&text).unwrap();
            let data = json!({ "story_id": id, "user": bob.with_name(), "reaction_type": reaction });
            assert_eq!(event["data"], data);
        }
    }
    let seen = list(&stage, &bob, "").await[0].take();
    assert_eq!((&seen["my_reaction"], &seen["user_reaction"]), (&json!("heart"), &json!("heart")));
    assert_eq!(list(&stage, &ada, "").await[0]["my_reaction"], Value::Null);

    // One's own reaction counts, and is no event; nor is taking one back.
    post(&stage, &ada, &id, "react", json!({ "reaction_type": "thunder" })).await.is(200);
    assert_eq!(delete(&stage, &bob, &id, "react/").await.status, 204);
    delete(&stage, &bob, &id, "react/").await.is_error(404, "No reaction to remove");
    let seen = list(&stage, &bob, "").await[0].take();
    assert_eq!((&seen["heart_count"], &seen["thunder_count"]), (&json!(0), &json!(1)));
    socket.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
}

#[apply(both_modes)]
async fn another_reaction_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let id = publish(&stage, &ada).await["id"].take();
    for (body, text) in [
        (json!({}), "This field is required."),
        (json!({ "reaction_type": null }), "This field may not be null."),
        (json!({ "reaction_type": "x" }), "\"x\" is not a valid choice."),
    ] {
        let expected = json!({ "reaction_type": [text] });
        post(&stage, &ada, &id, "react", body).await.is_json(400, expected);
    }
}

#[apply(both_modes)]
async fn concurrent_reactions_are_all_counted(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let mut friends = Vec::new();
    for number in 0..6 {
        friends.push(stage.import(&format!("f{number}"), "F", ""));
        stage.befriend(&ada, &friends[number]).await;
    }
    let id = publish(&stage, &ada).await["id"].take();
    let path = format!("/api/stories/{}/react/", id.as_str().unwrap());
    let bodies = ["heart", "thunder"].map(|reaction| json!({ "reaction_type": reaction }));
    let reactions = friends.iter().flat_map(|friend| bodies.iter().map(move |body| (friend, body)));
    let requests = reactions.zip(stage.round_robin());
    let requests = requests.map(|((friend, body), it)| it.post(&path).by(friend).json(body).into_future());
    for response in join_all(requests).await {
        response.is(200);
    }
    let story = list(&stage, &ada, "").await[0].take();
    let count = |name: &str| story[name].as_i64().unwrap();
    assert_eq!(count("heart_count") + count("thunder_count"), 6);
    let rows = |kind| format!("SELECT COUNT(*) FROM story_reactions WHERE reaction_type = '{kind}'");
    assert_eq!(stage.number(&rows("heart")), count("heart_count"));
}

#[apply(both_modes)]
async fn only_its_user_deletes_a_story(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = people(&stage).await;
    let id = publish(&stage, &ada).await["id"].take();
    post(&stage, &bob, &id, "view", json!({})).await.is(200);
    delete(&stage, &bob, &id, "").await.is_error(403, "You can only delete your own stories");
    delete(&stage, &eve, &id, "").await.has_detail(404, UNKNOWN);
    let response = delete(&stage, &ada, &id, "").await;
    assert_eq!((response.status, response.text.as_str()), (204, ""));
    delete(&stage, &ada, &id, "").await.has_detail(404, UNKNOWN);
    assert_eq!(list(&stage, &bob, "").await, json!([]));
}

#[apply(both_modes)]
async fn an_id_is_a_uuid_in_lowercase_with_dashes(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let id = publish(&stage, &ada).await["id"].take();
    let id = id.as_str().unwrap();
    for other in [&id.to_uppercase(), &id.replace('-', ""), "1", &format!("{id}0")] {
        // The digits of an id may all be numbers.
        if other != id {
            stage
                .here()
                .delete(&format!("/api/stories/{other}/"))
                .by(&ada)
                .await
                .has_detail(404, "Not found.");
        }
    }
}

#[apply(both_modes)]
async fn stories_are_deleted_a_day_after_they_expired(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(publish(&stage, &ada).await["id"].take());
    }
    let expire = |id: &Value, at: &str| {
        stage.sql(&format!(
            "UPDATE stories SET expires_at = '{at}' WHERE id = {}",
            id.to_string().replace('"', "'")
        ));
    };
    expire(&ids[0], "2026-01-01 00:00:00");
    expire(
        &ids[1],
        &(chrono::Utc::now() - chrono::TimeDelta::hours(23)).format("%Y-%m-%d %H:%M:%S").to_string(),
    );
    // An instance looks when it starts.
    let mut stage = stage;
    stage.start_instance(&[]);
    until("the old story is deleted", async || stage.number("SELECT COUNT(*) FROM stories") == 2).await;
}

#[apply(both_modes)]
async fn a_message_refers_to_a_story_of_its_receiver(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = people(&stage).await;
    stage.befriend(&bob, &eve).await;
    let story = publish(&stage, &bob).await;
    let other = publish(&stage, &eve).await;
    let mut ids = Vec::new();
    let simple = story["id"].as_str().unwrap().replace('-', "").to_uppercase();
    for (sender, receiver, given, is_attached) in [
        (&ada, &bob, story["id"].clone(), true),
        (&ada, &bob, json!(simple), true),
        // Not the receiver's, not visible to the sender, one's own, and unknown.
        (&bob, &ada, other["id"].clone(), false),
        (&ada, &eve, other["id"].clone(), false),
        (&bob, &eve, story["id"].clone(), false),
        (&ada, &bob, json!("3b241101-e2bb-4255-8caf-4136c566a962"), false),
        (&ada, &bob, json!(null), false),
    ] {
        let body = json!({ "receiver_id": receiver.id, "content": "x", "reply_to_story": given });
        let message = stage.here().post("/api/messages/").by(sender).json(&body).await.is(201);
        let attached = json!({
            "id": story["id"], "media_url": story["media_url"], "media_type": "image", "is_expired": false,
        });
        let expected = if is_attached { attached } else { Value::Null };
        assert_eq!(message["story"], expected, "{body}");
        if is_attached {
            ids.push(message["id"].clone());
        }
    }
    let of_message = async |person: &Person| {
        let mut shown = Vec::new();
        for path in [
            "",
            "?limit=200",
            &format!("conversation/{}/", if person.id == ada.id { bob.id } else { ada.id }),
        ] {
            let list = stage.there().get(&format!("/api/messages/{path}")).by(person).await.is(200);
            let messages = list.as_array().unwrap();
            shown.extend(messages.iter().filter(|it| ids.contains(&it["id"])).map(|it| it["story"].clone()));
        }
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert!(shown.iter().all(|story| *story == shown[0]), "{shown:?}");
        shown.swap_remove(0)
    };
    assert_eq!(of_message(&bob).await["media_url"], story["media_url"]);

    // Once it has expired its picture is nowhere, and retention keeps it.
    stage.sql("UPDATE stories SET expires_at = '2026-01-01 00:00:00'");
    let expired = json!({ "id": story["id"], "media_url": "", "media_type": "image", "is_expired": true });
    for person in [&ada, &bob] {
        assert_eq!(of_message(person).await, expired);
    }
    let body = json!({ "receiver_id": bob.id, "content": "x", "reply_to_story": story["id"] });
    let late = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
    assert_eq!(late["story"], Value::Null);
    let mut stage = stage;
    stage.start_instance(&[]);
    until("the other story is deleted", async || stage.number("SELECT COUNT(*) FROM stories") == 1).await;
}

#[apply(both_modes)]
async fn a_message_outlives_the_story_that_it_refers_to(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, _] = people(&stage).await;
    let story = publish(&stage, &bob).await["id"].take();
    let body = json!({ "receiver_id": bob.id, "content": "x", "reply_to_story": story });
    let message = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
    assert_eq!(message["story"]["id"], story);
    let conversations = stage.there().get("/api/messages/conversations/").by(&bob).await.is(200);
    assert_eq!(conversations[0]["last_message"]["story"]["id"], story);
    assert_eq!(delete(&stage, &bob, &story, "").await.status, 204);
    let messages = stage.there().get("/api/messages/").by(&bob).await.is(200);
    assert_eq!((&messages[0]["id"], &messages[0]["story"]), (&message["id"], &Value::Null));
}
