//! `POST /api/events/`: authentication, validation and idempotency.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use super::integrations::{POSTS, STORIES, announce, stage};
use crate::support::Mode::{self, Cluster, Standalone};
use crate::support::{Instance, Person, Request, both_modes, until};

fn body(person: &Person) -> Value {
    json!({ "user_ids": [person.id], "type": "new_post", "data": { "id": 1 } })
}

#[tokio::test]
async fn only_a_key_of_a_service_is_accepted() {
    let stage = stage(Standalone);
    let ada = stage.person("ada").await;
    let request = || stage.here().post("/api/events/").json(&body(&ada));
    let invalid = json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid" });
    let similar = [&POSTS[1..], &POSTS[..POSTS.len() - 1], &format!("{POSTS}x"), &POSTS.to_uppercase()];
    for invalid_key in similar.into_iter().chain([ada.access.as_str(), "posts", &format!("posts:{POSTS}")]) {
        let response = request().bearer(invalid_key).await;
        response.is_json(401, invalid.clone());
        assert_eq!(response.header("www-authenticate").as_deref(), Some(r#"Bearer realm="api""#));
    }
    let missing = "Authentication credentials were not provided.";
    request().await.has_detail(401, missing);
    request().header("authorization", &format!("Key {POSTS}")).await.has_detail(401, missing);
    let two = request().header("authorization", &format!("Bearer {POSTS} {POSTS}")).await.is(401);
    assert_eq!(two["code"], "bad_authorization_header");
    for key in [POSTS, STORIES] {
        request().bearer(key).await.is(201);
    }
    assert_eq!(stage.number("SELECT last_seq FROM inboxes"), 2);
}

#[tokio::test]
async fn a_key_of_a_service_is_accepted_on_no_other_route() {
    let stage = stage(Standalone);
    for path in ["/api/auth/me/", "/api/messages/", "/api/notifications/", "/api/friends/"] {
        let response = stage.here().get(path).bearer(POSTS).await.is(401);
        assert_eq!(response["messages"][0]["message"], "Token is invalid");
    }
    assert!(stage.here().handshake().token(POSTS).upgrade().await.is_err());
}

#[tokio::test]
async fn without_configured_keys_every_request_is_refused() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    announce(stage.here(), &body(&ada)).await.is(401);
    stage.here().post("/api/events/").json(&body(&ada)).await.is(401);
}

#[tokio::test]
async fn the_key_is_checked_before_the_method_and_that_before_the_body() {
    let stage = stage(Standalone);
    stage.here().get("/api/events/").await.is(401);
    let response = stage.here().get("/api/events/").bearer(POSTS).await;
    response.has_detail(405, "Method \"GET\" not allowed.");
    assert_eq!(response.header("allow").as_deref(), Some("POST, OPTIONS"));
    stage.here().post("/api/events/").body("application/json", "{").await.is(401);
    let response = stage.here().post("/api/events").bearer(POSTS).body("application/json", "{").await.is(400);
    assert!(response["detail"].as_str().unwrap().starts_with("JSON parse error - "), "{response}");
    let list = stage.here().post("/api/events/").bearer(POSTS).json(&json!([])).await;
    list.is_json(400, json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] }));
    let form = stage.here().post("/api/events/").bearer(POSTS).form(&[("type", "x")]).await;
    form.has_detail(415, "Unsupported media type \"application/x-www-form-urlencoded\" in request.");
}

#[tokio::test]
async fn all_invalid_fields_are_named_in_one_response() {
    let stage = stage(Standalone);
    let ada = stage.person("ada").await;
    let required = "This field is required.";
    let nothing = json!({ "user_ids": [required], "type": [required], "data": [required] });
    stage.here().post("/api/events/").bearer(POSTS).await.is_json(400, nothing.clone());
    announce(stage.here(), &json!({})).await.is_json(400, nothing);
    let invalid = json!({ "user_ids": [], "type": "", "data": "x".repeat(16_383), "durable": 1 });
    announce(stage.here(), &invalid).await.is_json(
        400,
        json!({
            "user_ids": ["This list may not be empty."],
            "type": ["This field may not be blank."],
            "data": ["Ensure this field has no more than 16384 bytes of JSON."],
            "durable": ["Must be a valid boolean."],
        }),
    );
    let error = |name: &'static str, value: Value| {
        let mut body = body(&ada);
        body[name] = value;
        let response = announce(stage.here(), &body);
        async move { response.await.is(400)[name][0].as_str().unwrap_or_default().to_owned() }
    };
    assert_eq!(error("user_ids", json!({})).await, "Expected a list of items.");
    assert_eq!(error("user_ids", json!(["1"])).await, "A valid integer is required.");
    let many: Vec<_> = (1..=1001).collect();
    assert_eq!(error("user_ids", json!(many)).await, "Ensure this field has no more than 1000 elements.");
    assert_eq!(error("type", json!(["x"])).await, "Not a valid string.");
    assert_eq!(
        error("type", json!("New-Post")).await,
        "Must be 1 to 64 small letters, digits and _, beginning with a letter."
    );
    for own in numeneon::events::OWN_NAMES {
        assert_eq!(error("type", json!(own)).await, "This type is one of this service's own.");
    }
    assert_eq!(error("durable", json!(null)).await, "This field may not be null.");
    assert_eq!(stage.number("SELECT last_seq FROM inboxes"), 0);
}

#[apply(both_modes)]
async fn a_request_with_an_idempotency_key_is_processed_once(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let body = json!({ "user_ids": [bob.id, 0], "type": "new_post", "data": { "id": 1 } });
    let expected = json!({ "recipients": 1, "unknown_user_ids": [0] });
    fn with_key(instance: &Instance, body: &Value) -> Request {
        announce(instance, body).header("idempotency-key", "\"post-1\"")
    }
    let first = with_key(stage.here(), &body).await;
    first.is_json(201, expected.clone());
    assert_eq!(first.header("idempotency-replayed"), None);
    // The order of ids and of fields does not matter.
    let same =
        json!({ "durable": true, "data": { "id": 1 }, "type": "new_post", "user_ids": [0, bob.id, bob.id] });
    for (instance, body) in stage.round_robin().zip([&body, &same]) {
        let again = with_key(instance, body).await;
        again.is_json(201, expected.clone());
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
        with_key(stage.there(), &other).await.is_error(422, text);
    }
    // Each service has idempotency keys of its own; a refused request does not use its key.
    let others = stage.here().post("/api/events/").bearer(STORIES).json(&body);
    let others = others.header("idempotency-key", "\"post-1\"").await;
    assert_eq!((others.status, others.header("idempotency-replayed")), (201, None));
    announce(stage.here(), &json!({})).header("idempotency-key", "post-2").await.is(400);
    let third = announce(stage.here(), &body).header("idempotency-key", "post-2").await;
    assert_eq!((third.status, third.header("idempotency-replayed")), (201, None));

    assert_eq!(socket.next_many(3).await.last().unwrap()["seq"], 3);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn an_announcement_that_is_not_durable_is_delivered_once_for_each_key(mode: Mode) {
    let stage = stage(mode);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let mut body = body(&bob);
    body["durable"] = json!(false);
    for replayed in [None, Some("true")] {
        let response = announce(stage.here(), &body).header("idempotency-key", "1").await;
        response.is_json(202, json!({ "recipients": 1, "unknown_user_ids": [] }));
        assert_eq!(response.header("idempotency-replayed").as_deref(), replayed);
    }
    assert_eq!(socket.next().await["type"], "new_post");
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn of_many_concurrent_requests_with_one_key_one_is_processed_and_all_get_its_response(mode: Mode) {
    let stage = stage(mode);
    let bob = stage.person("bob").await;
    for round in 0..5 {
        let (key, body) = (round.to_string(), body(&bob));
        let instances = stage.round_robin().take(10);
        let requests = instances.map(|instance| async {
            let response = announce(instance, &body).header("idempotency-key", &key).await;
            response.is_json(201, json!({ "recipients": 1, "unknown_user_ids": [] }));
            response.header("idempotency-replayed")
        });
        let processed = join_all(requests).await.into_iter().filter(Option::is_none).count();
        assert_eq!(processed, 1);
        assert_eq!(stage.number("SELECT last_seq FROM inboxes"), round + 1);
    }
}

#[tokio::test]
async fn an_idempotency_key_is_one_printable_text() {
    let stage = stage(Standalone);
    let ada = stage.person("ada").await;
    let text = "Idempotency-Key must be one text of 1 to 200 printable ASCII characters.";
    for key in ["", "é", &"x".repeat(201)] {
        announce(stage.here(), &body(&ada)).header("idempotency-key", key).await.has_detail(400, text);
    }
    let two = announce(stage.here(), &body(&ada)).header("idempotency-key", "a");
    two.header("idempotency-key", "b").await.has_detail(400, text);
    announce(stage.here(), &body(&ada)).header("idempotency-key", &"x".repeat(200)).await.is(201);
}

#[apply(both_modes)]
async fn idempotency_keys_are_deleted_after_a_day(mode: Mode) {
    let mut stage = stage(mode);
    let bob = stage.person("bob").await;
    for key in ["old", "new"] {
        announce(stage.here(), &body(&bob)).header("idempotency-key", key).await.is(201);
    }
    let (a_day_ago, nearly) = match mode {
        Standalone => ("datetime('now', '-1441 minutes')", "datetime('now', '-1430 minutes')"),
        Cluster => (
            "(now() AT TIME ZONE 'utc') - interval '1441 minutes'",
            "(now() AT TIME ZONE 'utc') - interval '1430 minutes'",
        ),
    };
    stage.sql(&format!(
        "UPDATE idempotency_keys SET created_at = {a_day_ago} WHERE key = 'old'; \
         UPDATE idempotency_keys SET created_at = {nearly} WHERE key = 'new'"
    ));
    // An instance deletes old keys when it starts, and then each minute.
    stage.start_instance(&[]);
    until("the old key is deleted", async || stage.number("SELECT count(*) FROM idempotency_keys") == 1)
        .await;
    assert_eq!(stage.text("SELECT key FROM idempotency_keys"), "new");
    let again = announce(stage.there(), &body(&bob)).header("idempotency-key", "old").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, None));
}
