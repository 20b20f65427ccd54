//! `Idempotency-Key` of a user's requests: each is carried out once, however often it is sent.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Instance, Mode, Person, Request, Response, both_modes};

const REUSED: &str = "This Idempotency-Key was used for another request.";

fn send(instance: &Instance, sender: &Person, key: &str, receiver: i64, content: &str) -> Request {
    let body = json!({ "receiver_id": receiver, "content": content });
    instance.post("/api/messages/").by(sender).header("idempotency-key", key).json(&body)
}

fn is_replayed(response: &Response) -> bool {
    response.header("idempotency-replayed").as_deref() == Some("true")
}

#[apply(both_modes)]
async fn a_message_with_a_key_is_sent_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let first = send(stage.here(), &ada, "1", bob.id, "hello").await;
    let message = first.is(201);
    assert!(!is_replayed(&first));
    // Read or not, the response is that of the first request.
    stage.there().post(&format!("/api/messages/conversation/{}/read/", ada.id)).by(&bob).await.is(200);
    for instance in stage.round_robin().take(3) {
        let again = send(instance, &ada, "1", bob.id, " hello ").await;
        again.is_json(201, message.clone());
        assert!(is_replayed(&again));
    }
    send(stage.here(), &ada, "1", eve.id, "hello").await.is_error(422, REUSED);
    send(stage.there(), &ada, "1", bob.id, "hello!").await.is_error(422, REUSED);

    // Each user has keys of their own; a request that was rejected has not used its key.
    assert!(!is_replayed(&send(stage.here(), &eve, "1", bob.id, "hello").await));
    send(stage.here(), &ada, "2", 1_000_000_000, "hello").await.is(400);
    send(stage.here(), &ada, "2", ada.id, "hello").await.is(400);
    let second = send(stage.there(), &ada, "2", bob.id, "hello").await;
    assert_ne!(second.is(201)["id"], message["id"]);
    assert!(!is_replayed(&second));

    let contents: Vec<_> =
        socket.next_many(3).await.iter().map(|it| it["data"]["sender"]["id"].clone()).collect();
    assert_eq!(contents, [ada.id, eve.id, ada.id]);
    assert_eq!(stage.number("SELECT count(*) FROM messages"), 3);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn of_many_concurrent_messages_with_one_key_one_is_sent(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let requests =
        stage.round_robin().take(24).map(|instance| send(instance, &ada, "1", bob.id, "hello").into_future());
    let responses = join_all(requests).await;
    let bodies: Vec<_> = responses.iter().map(|response| response.is(201)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(responses.iter().filter(|response| !is_replayed(response)).count(), 1);
    assert_eq!(socket.next().await["data"]["id"], bodies[0]["id"]);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn messages_of_one_batch_get_their_own_responses(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sent = Vec::new();
    for key in ["0", "1", "2"] {
        sent.push(send(stage.here(), &ada, key, bob.id, "old").await.is(201));
    }
    // Of the same sender, receiver and text, so that only their keys distinguish them.
    let requests = (0..40).map(|number| match number % 4 {
        0 => {
            let body = json!({ "receiver_id": bob.id, "content": "old" });
            stage.here().post("/api/messages/").by(&ada).json(&body)
        }
        1 => send(stage.here(), &ada, &format!("{}", number % 3), bob.id, "old"),
        2 => send(stage.here(), &ada, &format!("new {}", number % 8), bob.id, "old"),
        _ => send(stage.here(), &ada, "unknown", 1_000_000_000, "old"),
    });
    let responses = join_all(requests.map(IntoFuture::into_future)).await;
    let mut ids: Vec<Value> = sent.iter().map(|message| message["id"].clone()).collect();
    for (number, response) in responses.iter().enumerate() {
        match number % 4 {
            0 => ids.push(response.is(201)["id"].clone()),
            1 => {
                assert!(is_replayed(response));
                response.is_json(201, sent[number % 3].clone());
            }
            2 => {
                let message = response.is(201);
                if !is_replayed(response) {
                    ids.push(message["id"].clone());
                }
                let same = &responses[if number % 8 == 2 { 2 } else { 6 }];
                assert_eq!(message, same.json());
            }
            _ => response.is_json(400, json!({ "receiver_id": ["User not found."] })),
        }
    }
    ids.sort_by_key(Value::as_i64);
    ids.dedup();
    assert_eq!(ids.len(), 3 + 10 + 2);
    assert_eq!(stage.number("SELECT count(*) FROM messages"), 15);
    assert_eq!(stage.number("SELECT count(*) FROM inbox_events"), 15);
}

#[apply(both_modes)]
async fn a_repeated_message_to_a_user_who_was_deleted_is_rejected(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send(stage.here(), &ada, "1", bob.id, "hello").await.is(201);
    stage.sql(&format!("DELETE FROM users WHERE id = {}", bob.id));
    let again = send(stage.here(), &ada, "1", bob.id, "hello").await;
    again.is_json(400, json!({ "receiver_id": ["User not found."] }));
}

#[apply(both_modes)]
async fn friend_requests_and_acceptances_with_a_key_are_carried_out_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.there().socket(&ada).await, stage.there().socket(&bob).await];
    let ask = |instance: &Instance, key: &str| {
        let path = format!("/api/friends/request/{}/", bob.id);
        instance.post(&path).by(&ada).header("idempotency-key", key)
    };
    let requests = stage.round_robin().take(8).map(|instance| ask(instance, "1").into_future());
    let responses = join_all(requests).await;
    for response in &responses {
        response.is_json(201, json!({ "message": "Friend request sent" }));
    }
    assert_eq!(responses.iter().filter(|response| !is_replayed(response)).count(), 1);
    ask(stage.here(), "2").await.is_error(400, "Friend request already sent");
    let id = sockets[1].next().await["data"]["request_id"].as_i64().expect("an id");

    let accept = |instance: &Instance, key: &str| {
        instance.post(&format!("/api/friends/accept/{id}/")).by(&bob).header("idempotency-key", key)
    };
    let first = accept(stage.here(), "1").await;
    let again = accept(stage.there(), "1").await;
    again.is_json(201, first.is(201));
    assert!(is_replayed(&again) && !is_replayed(&first));
    accept(stage.here(), "2").await.is_error(404, "Request not found");
    assert_eq!(sockets[0].next().await["type"], "friend_accepted");

    // A key names one request of all that its user makes.
    send(stage.here(), &bob, "1", ada.id, "hello").await.is_error(422, REUSED);
    let [mut of_ada, mut of_bob] = sockets;
    of_ada.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
    of_bob.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn a_key_is_one_printable_text(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let text = "Idempotency-Key must be one text of 1 to 200 printable ASCII characters.";
    for key in ["", "é", &"x".repeat(201)] {
        send(stage.here(), &ada, key, bob.id, "hello").await.has_detail(400, text);
    }
    let two = send(stage.here(), &ada, "a", bob.id, "hello").header("idempotency-key", "b");
    two.await.has_detail(400, text);
}

#[apply(both_modes)]
async fn a_repeated_post_story_or_share_is_carried_out_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let mut socket = stage.there().socket(&bob).await;
    let story = json!({ "media_url": "https://example.com/a", "media_type": "image" });
    let send = async |path: &str, key: &str, body: Value| {
        let mut responses = Vec::new();
        for instance in stage.round_robin().take(3) {
            let request = instance.post(path).by(&ada).header("idempotency-key", key).json(&body);
            responses.push(request.await);
        }
        assert!(!is_replayed(&responses[0]) && responses[1..].iter().all(is_replayed), "{path}");
        assert!(responses.iter().all(|response| response.json() == responses[0].json()), "{path}");
        responses.swap_remove(0)
    };
    let post = send("/api/posts/", "1", json!({ "content": "hello" })).await.is(201);
    send("/api/stories/", "2", story).await.is(201);
    let shared = send(&format!("/api/posts/{}/share/", post["id"]), "3", json!({})).await.is(200);
    assert_eq!(shared["shares_count"], 1);
    for table in ["posts", "stories"] {
        assert_eq!(stage.number(&format!("SELECT COUNT(*) FROM {table}")), 1);
    }
    let body = json!({ "content": "hello", "type": "media" });
    let other = stage.here().post("/api/posts/").by(&ada).header("idempotency-key", "1").json(&body).await;
    other.is_error(422, REUSED);
    assert_eq!(socket.next().await["type"], "new_post");
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}
