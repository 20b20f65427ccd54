//! Announcements of other services are delivered like all other events.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Instance, Mode, Person, Request, Stage, both_modes};

/// The keys of two services.
pub const POSTS: &str = "the-key-of-posts-and-of-nothing-else";
pub const STORIES: &str = "the-key-of-stories:and-of-nothing-else";

/// Starts a stage with the keys of two services.
pub fn stage(mode: Mode) -> Stage {
    mode.stage_with(&[("SERVICE_KEYS", &format!("posts:{POSTS}, stories:{STORIES}"))])
}

/// Begins an announcement by posts.
pub fn announce(instance: &Instance, body: &Value) -> Request {
    instance.post("/api/events/").bearer(POSTS).json(body)
}

fn new_post(people: &[&Person], number: i64) -> Value {
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    json!({ "user_ids": ids, "type": "new_post", "data": { "id": number } })
}

#[apply(both_modes)]
async fn an_announcement_is_delivered_to_its_recipients_and_to_nobody_else(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut sockets = Vec::new();
    for person in [&ada, &bob] {
        for instance in stage.round_robin().take(2) {
            sockets.push(instance.socket(person).await);
        }
    }
    let mut eves = stage.there().socket(&eve).await;
    let response = announce(stage.here(), &new_post(&[&bob, &ada, &bob], 5)).await;
    response.is_json(201, json!({ "recipients": 2, "unknown_user_ids": [] }));
    assert_eq!(response.header("idempotency-replayed"), None);
    for socket in &mut sockets {
        assert_eq!(socket.next().await, json!({ "type": "new_post", "data": { "id": 5 }, "seq": 1 }));
    }
    eves.has_nothing_before_a_message(stage.here(), &ada, &eve).await;
}

#[apply(both_modes)]
async fn announcements_are_ordered_among_other_events(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for number in 0..5 {
        stage.here().message(&ada, &bob, &number.to_string()).await;
        announce(stage.there(), &new_post(&[&bob, &ada], number)).await.is(201);
    }
    let frames = socket.next_many(10).await;
    for (frame, index) in frames.iter().zip(0..) {
        let name = if index % 2 == 0 { "new_message" } else { "new_post" };
        assert_eq!((&frame["type"], &frame["seq"]), (&json!(name), &json!(index + 1)));
    }
    let mut resumed = stage.here().resume(&bob, 3).await;
    assert_eq!(resumed.next_many(7).await, frames[3..]);
    let inbox = stage.here().get("/api/notifications/?limit=1").by(&bob).await.is(200);
    assert_eq!((&inbox["last_seq"], &inbox["unread_count"]), (&json!(10), &json!(10)));
    assert_eq!(
        (&inbox["results"][0]["type"], &inbox["results"][0]["data"]),
        (&json!("new_post"), &json!({ "id": 4 }))
    );
}

#[apply(both_modes)]
async fn data_is_delivered_byte_for_byte(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let long = format!("\"{}\"", "ä".repeat(8_191));
    let texts = [
        r#"{"b":1.50,"a":12345678901234567890123,"nul":"\u0000 \u00e9 é 😀"}"#,
        "null",
        "[ 1,\n 2 ]",
        "\"it's \\\"quoted\\\"\"",
        &long,
    ];
    for (data, seq) in texts.iter().zip(1..) {
        let body = format!(r#"{{"type":"x","data": {data} ,"user_ids":[{}],"other":1}}"#, bob.id);
        stage.here().post("/api/events/").bearer(POSTS).body("application/json", body).await.is(201);
        assert_eq!(socket.text().await, format!(r#"{{"type":"x","data":{data},"seq":{seq}}}"#));
    }
    // The inbox returns the same, over the socket and over REST.
    let mut resumed = stage.here().resume(&bob, 0).await;
    for (data, seq) in texts.iter().zip(1..) {
        assert_eq!(resumed.text().await, format!(r#"{{"type":"x","data":{data},"seq":{seq}}}"#));
    }
    let inbox = stage.there().get("/api/notifications/").by(&bob).await;
    inbox.is(200);
    for data in texts {
        assert!(inbox.text.contains(&format!(r#""data":{data},"#)), "{data} is not in {}", inbox.text);
    }
    resumed.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn an_announcement_that_is_not_durable_is_delivered_once_and_not_stored(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.here().socket(&bob).await, stage.there().socket(&bob).await];
    let mut body = new_post(&[&ada, &bob], 5);
    body["durable"] = json!(false);
    let response = announce(stage.here(), &body).await;
    response.is_json(202, json!({ "recipients": 2, "unknown_user_ids": [] }));
    for socket in &mut sockets {
        assert_eq!(socket.text().await, r#"{"type":"new_post","data":{"id":5}}"#);
    }
    let inbox = stage.here().get("/api/notifications/").by(&bob).await.is(200);
    assert_eq!(inbox["last_seq"], 0);
    stage.there().resume(&bob, 0).await.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn unknown_ids_are_reported_and_otherwise_ignored(mode: Mode) {
    let stage = stage(mode);
    let bob = stage.person("bob").await;
    let mut socket = stage.there().socket(&bob).await;
    let ids = json!([i64::MAX, 0, bob.id, -1]);
    for (durable, status) in [(true, 201), (false, 202)] {
        let body = json!({ "user_ids": ids, "type": "x", "data": 1, "durable": durable });
        let response = announce(stage.here(), &body).await;
        response.is_json(status, json!({ "recipients": 1, "unknown_user_ids": [-1, 0, i64::MAX] }));
        assert_eq!(socket.next().await["type"], "x");
    }
    for (durable, status) in [(true, 201), (false, 202)] {
        let body = json!({ "user_ids": [0], "type": "x", "data": 1, "durable": durable });
        announce(stage.here(), &body)
            .await
            .is_json(status, json!({ "recipients": 0, "unknown_user_ids": [0] }));
    }
    assert_eq!(stage.number("SELECT count(*) FROM inboxes"), 1);
}

#[apply(both_modes)]
async fn a_missing_inbox_is_created(mode: Mode) {
    let stage = stage(mode);
    let people = ["ada", "bob", "eve"].map(|name| stage.import(name, "", ""));
    let [ada, bob, eve] = &people;
    announce(stage.here(), &new_post(&[eve], 1)).await.is(201);
    stage.sql(&format!("DELETE FROM inboxes WHERE user_id IN ({}, {})", ada.id, bob.id));
    announce(stage.here(), &new_post(&[ada, bob, eve], 2)).await.is(201);
    for (person, cursor) in people.iter().zip([0, 0, 1]) {
        let mut socket = stage.there().resume(person, cursor).await;
        assert_eq!(
            socket.next().await,
            json!({ "type": "new_post", "data": { "id": 2 }, "seq": cursor + 1 })
        );
    }
}

#[apply(both_modes)]
async fn an_announcement_may_have_a_thousand_recipients(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(
        "INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined) \
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 999) \
         SELECT 'u' || n, 'u' || n, 'u' || n, '!', '', '', '', CURRENT_TIMESTAMP FROM n",
    );
    let first = stage.number("SELECT min(id) FROM users WHERE username LIKE 'u%'");
    let mut ids: Vec<_> = (first..first + 999).rev().collect();
    ids.push(bob.id);
    let mut socket = stage.there().socket(&bob).await;
    let body = json!({ "user_ids": ids, "type": "x", "data": "to all" });
    announce(stage.here(), &body).await.is_json(201, json!({ "recipients": 1000, "unknown_user_ids": [] }));
    assert_eq!(socket.next().await["seq"], 1);
    assert_eq!(stage.number("SELECT count(*) FROM inbox_events WHERE seq = 1"), 1000);
    assert_eq!(stage.number("SELECT count(*) FROM inboxes WHERE last_seq = 1"), 1000);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn concurrent_announcements_and_messages_do_not_deadlock(mode: Mode) {
    const PEOPLE: usize = 12;
    const ROUNDS: usize = 15;
    let stage = stage(mode);
    let people: Vec<_> = (0..PEOPLE).map(|number| stage.import(&format!("p{number}"), "", "")).collect();
    // Half of the inboxes do not exist yet.
    let odd = people.iter().skip(1).step_by(2).map(|person| person.id.to_string()).collect::<Vec<_>>();
    stage.sql(&format!("DELETE FROM inboxes WHERE user_id IN ({})", odd.join(", ")));
    let announcing = (0..8).zip(stage.round_robin()).map(|(sender, instance)| {
        let people = &people;
        async move {
            for round in 0..ROUNDS {
                // Each lists the recipients in another order.
                let mut all: Vec<_> = people.iter().collect();
                all.rotate_left((sender * 5 + round) % PEOPLE);
                if sender % 2 == 0 {
                    all.reverse();
                }
                all.truncate(PEOPLE - sender % 3);
                announce(instance, &new_post(&all, 1)).await.is(201);
            }
        }
    });
    let writing = (0..4).zip(stage.round_robin()).map(|(sender, instance)| {
        let people = &people;
        async move {
            for round in 0..ROUNDS {
                let receiver = &people[(sender + 1 + round % (PEOPLE - 1)) % PEOPLE];
                instance.message(&people[sender], receiver, "hello").await;
            }
        }
    });
    tokio::join!(join_all(announcing), join_all(writing));
    let inconsistent = "SELECT count(*) FROM inboxes i WHERE last_seq <> \
                  (SELECT count(*) FROM inbox_events e WHERE e.user_id = i.user_id) \
                  OR last_seq <> (SELECT max(seq) FROM inbox_events e WHERE e.user_id = i.user_id)";
    assert_eq!(stage.number(inconsistent), 0, "the seq of an inbox has no gap");
    let sizes: usize = (0..8).map(|sender| (PEOPLE - sender % 3) * ROUNDS).sum();
    assert_eq!(stage.number("SELECT sum(last_seq) FROM inboxes"), (sizes + 4 * ROUNDS) as i64);
}

#[apply(both_modes)]
async fn concurrent_announcements_are_delivered_to_everybody_in_the_same_order(mode: Mode) {
    const EACH: i64 = 20;
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.here().socket(&ada).await, stage.there().socket(&bob).await];
    let services = (0..2).zip(stage.round_robin()).map(|(service, instance)| {
        let (ada, bob) = (&ada, &bob);
        async move {
            for number in 0..EACH {
                announce(instance, &new_post(&[ada, bob], service * EACH + number)).await.is(201);
            }
        }
    });
    join_all(services).await;
    let [adas, bobs] = &mut sockets;
    let (adas, bobs) = (adas.next_many(2 * EACH as usize).await, bobs.next_many(2 * EACH as usize).await);
    assert_eq!(adas, bobs);
}
