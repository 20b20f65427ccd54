//! Who may announce, what is refused, and what is done once only.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::integrations::{POSTS, STORIES, announce, stage};
use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Call, Instance, Person, until};

fn body(person: &Person) -> Value {
    json!({ "user_ids": [person.id], "type": "new_post", "data": { "id": 1 } })
}

#[tokio::test]
async fn only_the_key_of_a_service_lets_in() {
    let stage = stage(Laptop);
    let ada = stage.person("ada").await;
    let call = || stage.here().post("/api/events/").json(&body(&ada));
    let invalid = json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid" });
    let almost = [&POSTS[1..], &POSTS[..POSTS.len() - 1], &format!("{POSTS}x"), &POSTS.to_uppercase()];
    for wrong in almost.into_iter().chain([ada.access.as_str(), "posts", &format!("posts:{POSTS}")]) {
        let answer = call().bearer(wrong).await;
        answer.says(401, invalid.clone());
        assert_eq!(answer.header("www-authenticate").as_deref(), Some(r#"Bearer realm="api""#));
    }
    let missing = "Authentication credentials were not provided.";
    call().await.details(401, missing);
    call().header("authorization", &format!("Key {POSTS}")).await.details(401, missing);
    let two = call().header("authorization", &format!("Bearer {POSTS} {POSTS}")).await.is(401);
    assert_eq!(two["code"], "bad_authorization_header");
    for key in [POSTS, STORIES] {
        call().bearer(key).await.is(201);
    }
    assert_eq!(stage.number("SELECT last_seq FROM inboxes"), 2);
}

#[tokio::test]
async fn the_key_of_a_service_opens_nothing_else() {
    let stage = stage(Laptop);
    for path in ["/api/auth/me/", "/api/messages/", "/api/notifications/", "/api/friends/"] {
        let answer = stage.here().get(path).bearer(POSTS).await.is(401);
        assert_eq!(answer["messages"][0]["message"], "Token is invalid");
    }
    assert!(stage.here().dial().token(POSTS).upgrade().await.is_err());
}

#[tokio::test]
async fn without_keys_everybody_is_refused() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    announce(stage.here(), &body(&ada)).await.is(401);
    stage.here().post("/api/events/").json(&body(&ada)).await.is(401);
}

#[tokio::test]
async fn the_key_comes_before_the_method_and_that_before_the_body() {
    let stage = stage(Laptop);
    stage.here().get("/api/events/").await.is(401);
    let answer = stage.here().get("/api/events/").bearer(POSTS).await;
    answer.details(405, "Method \"GET\" not allowed.");
    assert_eq!(answer.header("allow").as_deref(), Some("POST, OPTIONS"));
    stage.here().post("/api/events/").body("application/json", "{").await.is(401);
    let answer = stage.here().post("/api/events").bearer(POSTS).body("application/json", "{").await.is(400);
    assert!(answer["detail"].as_str().unwrap().starts_with("JSON parse error - "), "{answer}");
    let list = stage.here().post("/api/events/").bearer(POSTS).json(&json!([])).await;
    list.says(400, json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] }));
    let form = stage.here().post("/api/events/").bearer(POSTS).form(&[("type", "x")]).await;
    form.details(415, "Unsupported media type \"application/x-www-form-urlencoded\" in request.");
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let stage = stage(Laptop);
    let ada = stage.person("ada").await;
    let required = "This field is required.";
    let nothing = json!({ "user_ids": [required], "type": [required], "data": [required] });
    stage.here().post("/api/events/").bearer(POSTS).await.says(400, nothing.clone());
    announce(stage.here(), &json!({})).await.says(400, nothing);
    let wrong = json!({ "user_ids": [], "type": "", "data": "x".repeat(16_383), "durable": 1 });
    announce(stage.here(), &wrong).await.says(
        400,
        json!({
            "user_ids": ["This list may not be empty."],
            "type": ["This field may not be blank."],
            "data": ["Ensure this field has no more than 16384 bytes of JSON."],
            "durable": ["Must be a valid boolean."],
        }),
    );
    let one = |name: &'static str, value: Value| {
        let mut body = body(&ada);
        body[name] = value;
        let answer = announce(stage.here(), &body);
        async move { answer.await.is(400)[name][0].as_str().unwrap_or_default().to_owned() }
    };
    assert_eq!(one("user_ids", json!({})).await, "Expected a list of items.");
    assert_eq!(one("user_ids", json!(["1"])).await, "A valid integer is required.");
    let many: Vec<_> = (1..=1001).collect();
    assert_eq!(one("user_ids", json!(many)).await, "Ensure this field has no more than 1000 elements.");
    assert_eq!(one("type", json!(["x"])).await, "Not a valid string.");
    assert_eq!(
        one("type", json!("New-Post")).await,
        "Must be 1 to 64 small letters, digits and _, beginning with a letter."
    );
    for own in numeneon::events::OWN_NAMES {
        assert_eq!(one("type", json!(own)).await, "This type is one of this service's own.");
    }
    assert_eq!(one("durable", json!(null)).await, "This field may not be null.");
    assert_eq!(stage.number("SELECT last_seq FROM inboxes"), 0);
}

#[rstest]
#[tokio::test]
async fn a_request_with_a_key_is_done_once(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let body = json!({ "user_ids": [bob.id, 0], "type": "new_post", "data": { "id": 1 } });
    let said = json!({ "recipients": 1, "unknown_user_ids": [0] });
    fn keyed(instance: &Instance, body: &Value) -> Call {
        announce(instance, body).header("idempotency-key", "\"post-1\"")
    }
    let first = keyed(stage.here(), &body).await;
    first.says(201, said.clone());
    assert_eq!(first.header("idempotency-replayed"), None);
    // The order of ids and of fields does not make another request of it.
    let same =
        json!({ "durable": true, "data": { "id": 1 }, "type": "new_post", "user_ids": [0, bob.id, bob.id] });
    for (instance, body) in stage.in_turn().zip([&body, &same]) {
        let again = keyed(instance, body).await;
        again.says(201, said.clone());
        assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));
    }
    for (name, value) in [
        ("user_ids", json!([bob.id])),
        ("type", json!("new_story")),
        ("data", json!({ "id": 2 })),
        ("durable", json!(false)),
    ] {
        let mut other = body.clone();
        other[name] = value;
        let text = "This Idempotency-Key was used for another request.";
        keyed(stage.there(), &other).await.refuses(422, text);
    }
    // Another service's keys are its own; a refused request used none.
    let others = stage.here().post("/api/events/").bearer(STORIES).json(&body);
    let others = others.header("idempotency-key", "\"post-1\"").await;
    assert_eq!((others.status, others.header("idempotency-replayed")), (201, None));
    announce(stage.here(), &json!({})).header("idempotency-key", "post-2").await.is(400);
    let third = announce(stage.here(), &body).header("idempotency-key", "post-2").await;
    assert_eq!((third.status, third.header("idempotency-replayed")), (201, None));

    assert_eq!(socket.next_many(3).await.last().unwrap()["seq"], 3);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_durable_is_told_once_for_each_key(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let mut body = body(&bob);
    body["durable"] = json!(false);
    for replayed in [None, Some("true")] {
        let answer = announce(stage.here(), &body).header("idempotency-key", "1").await;
        answer.says(202, json!({ "recipients": 1, "unknown_user_ids": [] }));
        assert_eq!(answer.header("idempotency-replayed").as_deref(), replayed);
    }
    assert_eq!(socket.next().await["type"], "new_post");
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_done_and_all_are_answered_alike(
    #[values(Laptop, Cluster)] kind: Kind,
) {
    let stage = stage(kind);
    let bob = stage.person("bob").await;
    for round in 0..5 {
        let (key, body) = (round.to_string(), body(&bob));
        let calls = stage.in_turn().take(10);
        let calls = calls.map(|instance| async {
            let answer = announce(instance, &body).header("idempotency-key", &key).await;
            answer.says(201, json!({ "recipients": 1, "unknown_user_ids": [] }));
            answer.header("idempotency-replayed")
        });
        let done = join_all(calls).await.into_iter().filter(Option::is_none).count();
        assert_eq!(done, 1);
        assert_eq!(stage.number("SELECT last_seq FROM inboxes"), round + 1);
    }
}

#[tokio::test]
async fn a_key_is_one_printable_text() {
    let stage = stage(Laptop);
    let ada = stage.person("ada").await;
    let text = "Idempotency-Key must be one text of 1 to 200 printable ASCII characters.";
    for key in ["", "é", &"x".repeat(201)] {
        announce(stage.here(), &body(&ada)).header("idempotency-key", key).await.details(400, text);
    }
    let two = announce(stage.here(), &body(&ada)).header("idempotency-key", "a");
    two.header("idempotency-key", "b").await.details(400, text);
    announce(stage.here(), &body(&ada)).header("idempotency-key", &"x".repeat(200)).await.is(201);
}

#[rstest]
#[tokio::test]
async fn keys_are_forgotten_after_a_day(#[values(Laptop, Cluster)] kind: Kind) {
    let mut stage = stage(kind);
    let bob = stage.person("bob").await;
    for key in ["old", "new"] {
        announce(stage.here(), &body(&bob)).header("idempotency-key", key).await.is(201);
    }
    let (a_day_ago, nearly) = match kind {
        Laptop => ("datetime('now', '-1441 minutes')", "datetime('now', '-1430 minutes')"),
        Cluster => (
            "(now() AT TIME ZONE 'utc') - interval '1441 minutes'",
            "(now() AT TIME ZONE 'utc') - interval '1430 minutes'",
        ),
    };
    stage.sql(&format!(
        "UPDATE idempotency_keys SET created_at = {a_day_ago} WHERE key = 'old'; \
         UPDATE idempotency_keys SET created_at = {nearly} WHERE key = 'new'"
    ));
    // An instance begins with it; those that run do it each minute.
    stage.start_another(&[]);
    until("the old key is forgotten", async || stage.number("SELECT count(*) FROM idempotency_keys") == 1)
        .await;
    assert_eq!(stage.text("SELECT key FROM idempotency_keys"), "new");
    let again = announce(stage.there(), &body(&bob)).header("idempotency-key", "old").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, None));
}
