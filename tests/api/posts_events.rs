//! The events of posts: whom each concerns, and as they see it.

use std::time::{Duration, Instant};

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Cluster};
use crate::support::{Person, Socket, Stage, both_modes, description};

/// Receives the next frame, which must be described as an event of this type.
async fn receive(socket: &mut Socket, name: &str) -> Value {
    let text = socket.text().await;
    assert_eq!(description().server_frame(&text), name, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn one(stage: &Stage, viewer: &Person, id: &Value) -> Value {
    stage.here().get(&format!("/api/posts/{id}/")).by(viewer).await.is(200)
}

#[apply(both_modes)]
async fn a_post_is_an_event_for_each_friend(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo, eve] = stage.people(["ada", "bob", "cleo", "eve"]).await;
    stage.befriend(&ada, &bob).await;
    stage.befriend(&cleo, &ada).await;
    let (mut adas, mut bobs) = (stage.there().socket(&ada).await, stage.there().socket(&bob).await);
    let (mut cleos, mut eves) = (stage.there().socket(&cleo).await, stage.there().socket(&eve).await);
    let post = stage.here().write(&ada, json!({ "content": "hello", "target_profile_id": ada.id })).await;
    for (socket, friend) in [(&mut bobs, &bob), (&mut cleos, &cleo)] {
        let event = receive(socket, "new_post").await;
        let seq = socket.greeting["seq"].as_i64().unwrap() + 1;
        let data = one(&stage, friend, &post["id"]).await;
        assert_eq!(event, json!({ "type": "new_post", "data": data, "seq": seq }));
    }
    // It is kept as all others are.
    let inbox = stage.here().get("/api/notifications/?limit=1").by(&bob).await.is(200);
    assert_eq!(inbox["results"][0]["type"], "new_post");
    adas.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
    eves.has_nothing_before_a_message(stage.here(), &bob, &eve).await;
}

#[apply(both_modes)]
async fn a_post_on_a_wall_is_an_event_for_its_owner_only(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    stage.befriend(&ada, &bob).await;
    stage.befriend(&ada, &cleo).await;
    let mut bobs = stage.there().socket(&bob).await;
    let mut cleos = stage.there().socket(&cleo).await;
    let post = stage.here().write(&ada, json!({ "content": "hello", "target_profile_id": bob.id })).await;
    let event = receive(&mut bobs, "wall_post").await;
    let data = json!({
        "message": "ada posted on your wall", "post": one(&stage, &bob, &post["id"]).await,
        "author": ada.summary(),
    });
    assert_eq!(event["data"], data);
    assert_eq!(event["data"]["post"]["target_profile"]["email"], json!(bob.email));
    cleos.has_nothing_before_a_message(stage.here(), &ada, &cleo).await;
}

#[apply(both_modes)]
async fn a_reply_is_an_event_for_the_author_of_its_parent(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    stage.befriend(&bob, &cleo).await;
    let post = stage.here().write(&ada, json!({ "content": "hello" })).await["id"].take();
    stage.here().post(&format!("/api/posts/{post}/like/")).by(&ada).await.is(200);
    let mut adas = stage.there().socket(&ada).await;
    let mut cleos = stage.there().socket(&cleo).await;
    let reply = stage.here().write(&bob, json!({ "content": "yes", "parent_id": post })).await;
    let event = receive(&mut adas, "post_comment").await;
    let data = json!({
        "message": "bob commented on your post", "commenter": bob.with_name(),
        "post": one(&stage, &ada, &post).await, "comment": one(&stage, &ada, &reply["id"]).await,
    });
    assert_eq!(event["data"], data);
    let seen = &event["data"]["post"];
    assert_eq!((&seen["is_liked"], &seen["reply_count"]), (&json!(true), &json!(1)));
    // A reply of the author's own, and one to a reply.
    stage.here().write(&ada, json!({ "content": "mine", "parent_id": post })).await;
    adas.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
    stage.here().write(&ada, json!({ "content": "nested", "parent_id": reply["id"] })).await;
    let mut bobs = stage.there().resume(&bob, 0).await;
    assert_eq!(receive(&mut bobs, "friend_accepted").await["seq"], 1);
    assert_eq!(receive(&mut bobs, "post_comment").await["data"]["post"]["id"], reply["id"]);
    // Friends are notified of no reply.
    cleos.has_nothing_before_a_message(stage.here(), &ada, &cleo).await;
}

#[apply(both_modes)]
async fn a_mention_is_an_event_beside_the_comment(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    let here = stage.here();
    let post = here.write(&ada, json!({ "content": "hello" })).await["id"].take();
    let comment = here.write(&bob, json!({ "content": "yes", "parent_id": post })).await["id"].take();
    let mut adas = stage.there().socket(&ada).await;
    let mut bobs = stage.there().socket(&bob).await;
    let reply = here.write(&cleo, json!({ "content": "@bob no", "parent_id": post })).await;
    assert_eq!(reply["reply_to_comment"], comment);
    let data = json!({
        "message": "cleo replied to your comment", "replier": cleo.with_name(),
        "reply": { "content": "@bob no", "id": reply["id"] }, "post": { "id": post },
        "mentioned_username": "bob",
    });
    assert_eq!(receive(&mut bobs, "comment_reply").await["data"], data);
    let event = receive(&mut adas, "post_comment").await;
    assert_eq!(event["data"]["comment"], one(&stage, &ada, &reply["id"]).await);

    // Who is both gets one event, and the name as it was sent.
    let body = json!({ "content": "x", "parent_id": post, "mentioned_user_id": ada.id, "mentioned_username": "Ada!" });
    here.write(&cleo, body).await;
    let event = receive(&mut adas, "comment_reply").await;
    assert_eq!(event["data"]["mentioned_username"], "Ada!");
    adas.has_nothing_before_a_message(here, &bob, &ada).await;

    // Nobody gets an event of their own.
    let body = json!({ "content": "x", "parent_id": post, "mentioned_user_id": bob.id });
    here.write(&bob, body).await;
    receive(&mut adas, "post_comment").await;
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;
}

#[apply(both_modes)]
async fn changing_deleting_liking_and_sharing_emit_no_event(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let here = stage.here();
    let post = here.write(&ada, json!({ "content": "hello" })).await["id"].take();
    let mut adas = stage.there().socket(&ada).await;
    let mut bobs = stage.there().socket(&bob).await;
    let path = format!("/api/posts/{post}/");
    here.post(&format!("{path}like/")).by(&bob).await.is(200);
    here.post(&format!("{path}share/")).by(&bob).await.is(200);
    here.patch(&path).by(&ada).json(&json!({ "content": "x" })).await.is(200);
    assert_eq!(here.delete(&path).by(&ada).await.status, 204);
    adas.has_nothing_before_a_message(here, &bob, &ada).await;
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;
}

#[apply(both_modes)]
async fn integrations_may_go_on_to_announce_posts(mode: Mode) {
    let stage = super::integrations::stage(mode);
    let bob = stage.person("bob").await;
    let mut socket = stage.there().socket(&bob).await;
    for name in numeneon::events::SHARED_NAMES {
        let body = json!({ "user_ids": [bob.id], "type": name, "data": { "id": 5 } });
        super::integrations::announce(stage.here(), &body).await.is(201);
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["data"]), (&json!(name), &json!({ "id": 5 })));
    }
}

#[tokio::test]
async fn five_thousand_friends_are_notified_in_one_transaction() {
    const FRIENDS: i64 = 5_000;
    let stage = Cluster.stage();
    let ada = stage.person("ada").await;
    stage.sql(&format!(
        "INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined) \
         SELECT 'f' || n, n || '@e', n || '@e', '!', 'F', '', 'f', now() FROM generate_series(1, {FRIENDS}) AS n; \
         INSERT INTO profiles (user_id, created_at, updated_at) SELECT id, now(), now() FROM users WHERE first_name = 'F'; \
         INSERT INTO inboxes (user_id) SELECT id FROM users WHERE first_name = 'F'; \
         INSERT INTO friendships (low_id, high_id, asked_by, created_at, accepted_at) \
         SELECT LEAST(id, {0}), GREATEST(id, {0}), id, now(), now() FROM users WHERE first_name = 'F'; ANALYZE",
        ada.id
    ));
    let mut times = Vec::new();
    for round in 1..=3 {
        let started = Instant::now();
        stage.here().write(&ada, json!({ "content": "x".repeat(500) })).await;
        times.push(started.elapsed());
        let notified = "SELECT COUNT(*) FROM inbox_events WHERE type = 'new_post'";
        assert_eq!(stage.number(notified), round * FRIENDS);
    }
    assert_eq!(stage.number("SELECT COUNT(DISTINCT last_seq) FROM inboxes"), 2);
    // A build for tests on a busy machine: benchmarks measure it, this finds a query for each friend.
    let fastest = times.iter().min().copied().unwrap_or_default();
    assert!(fastest < Duration::from_secs(2), "{times:?}");
}
