//! `POST /api/messages/`

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, both_modes};

#[apply(both_modes)]
async fn the_response_is_the_whole_message(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let message = stage.here().message(&ada, &bob, "hello").await;
    let expected = json!({
        "id": message["id"], "sender": ada.summary(), "receiver": bob.summary(), "content": "hello",
        "is_read": false, "created_at": message["created_at"], "story": null,
    });
    assert_eq!(message, expected);
    assert!(message["id"].is_i64());
    crate::support::assert_timestamp(&message["created_at"]);
    let keys: Vec<_> = message.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "sender", "receiver", "content", "is_read", "created_at", "story"]);
}

#[apply(both_modes)]
async fn content_is_trimmed_and_otherwise_unchanged(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for (given, kept) in [
        (json!("  a  "), "a"),
        (json!("\u{a0}\u{2003}\t\r\n a\nb\r\n\n c \u{3000}"), "a\nb\r\n\n c"),
        (json!("<script>alert('&amp;')</script>"), "<script>alert('&amp;')</script>"),
        (json!("😀 grüße 日本語 \u{202e}"), "😀 grüße 日本語 \u{202e}"),
        (json!("\u{1}\u{7f}\"\\"), "\u{1}\u{7f}\"\\"),
        (json!(42), "42"),
        (json!(-1.5), "-1.5"),
        (json!("x".repeat(10_000)), &"x".repeat(10_000)),
        (json!("😀".repeat(10_000)), &"😀".repeat(10_000)),
    ] {
        let body = json!({ "receiver_id": bob.id, "content": given });
        let message = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
        assert_eq!(message["content"], kept);
    }
}

#[apply(both_modes)]
async fn json_is_not_escaped_to_ascii(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let body = json!({ "receiver_id": bob.id, "content": "grüße 😀" });
    let response = stage.here().post("/api/messages/").by(&ada).json(&body).await;
    assert!(response.text.contains(r#""content":"grüße 😀","#), "{}", response.text);
    let mut socket = stage.there().resume(&bob, 0).await;
    let text = socket.text().await;
    assert!(text.contains(r#""content":"grüße 😀","#), "{text}");
}

#[rstest]
#[case::number(|id: i64| json!(id))]
#[case::string(|id: i64| json!(id.to_string()))]
#[case::string_with_whitespace(|id: i64| json!(format!(" {id} ")))]
#[tokio::test]
async fn the_receiver_id_may_be_a_number_or_a_string(
    #[case] written: fn(i64) -> Value,
    #[values(Mode::Standalone, Mode::Cluster)] mode: Mode,
) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let body = json!({ "receiver_id": written(bob.id), "content": "x" });
    let message = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
    assert_eq!(message["receiver"], bob.summary());
}

#[apply(both_modes)]
async fn every_invalid_field_is_named(mode: Mode) {
    const REQUIRED: &str = "This field is required.";
    const NULL: &str = "This field may not be null.";
    const BLANK: &str = "This field may not be blank.";
    const INTEGER: &str = "A valid integer is required.";
    const STRING: &str = "Not a valid string.";
    const NUL: &str = "Null characters are not allowed.";
    const UUID: &str = "Must be a valid UUID.";
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let valid = bob.id;
    for (body, errors) in [
        (json!({}), json!({ "receiver_id": [REQUIRED], "content": [REQUIRED] })),
        (
            json!({ "receiver_id": null, "content": null }),
            json!({ "receiver_id": [NULL], "content": [NULL] }),
        ),
        (json!({ "receiver_id": valid, "content": "" }), json!({ "content": [BLANK] })),
        (json!({ "receiver_id": valid, "content": " \n\t " }), json!({ "content": [BLANK] })),
        (json!({ "receiver_id": valid, "content": [] }), json!({ "content": [STRING] })),
        (json!({ "receiver_id": valid, "content": {} }), json!({ "content": [STRING] })),
        (json!({ "receiver_id": valid, "content": true }), json!({ "content": [STRING] })),
        (json!({ "receiver_id": valid, "content": "a\0b" }), json!({ "content": [NUL] })),
        (json!({ "receiver_id": "abc", "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (json!({ "receiver_id": "", "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (json!({ "receiver_id": 1.5, "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (json!({ "receiver_id": true, "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (json!({ "receiver_id": [valid], "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (json!({ "receiver_id": {}, "content": "x" }), json!({ "receiver_id": [INTEGER] })),
        (
            json!({ "receiver_id": valid, "content": "x", "reply_to_story": "1" }),
            json!({ "reply_to_story": [UUID] }),
        ),
        (
            json!({ "receiver_id": "abc", "reply_to_story": "1" }),
            json!({ "receiver_id": [INTEGER], "content": [REQUIRED], "reply_to_story": [UUID] }),
        ),
    ] {
        let response = stage.here().post("/api/messages/").by(&ada).json(&body).await;
        assert_eq!((response.status, response.json()), (400, errors), "{body}");
    }
    assert_eq!(stage.number("SELECT COUNT(*) FROM messages"), 0);
}

#[apply(both_modes)]
async fn content_that_is_too_long_is_refused(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let body = json!({ "receiver_id": bob.id, "content": "😀".repeat(10_001) });
    let errors = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(400);
    assert_eq!(errors, json!({ "content": ["Ensure this field has no more than 10000 characters."] }));
}

#[apply(both_modes)]
async fn the_maximum_length_of_content_is_a_setting(mode: Mode) {
    let stage = mode.stage_with(&[("MAX_MESSAGE_CHARACTERS", "5")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, " 12345 ").await;
    let body = json!({ "receiver_id": bob.id, "content": "123456" });
    stage.here().post("/api/messages/").by(&ada).json(&body).await.is(400);
}

#[apply(both_modes)]
async fn a_body_that_is_not_an_object_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for (body, name) in
        [("[]", "list"), ("[1]", "list"), ("\"x\"", "str"), ("7", "int"), ("1.5", "float"), ("true", "bool")]
    {
        let errors =
            json!({ "non_field_errors": [format!("Invalid data. Expected a dictionary, but got {name}.")] });
        stage
            .here()
            .post("/api/messages/")
            .by(&ada)
            .body("application/json", body)
            .await
            .is_json(400, errors);
    }
}

#[apply(both_modes)]
async fn an_unknown_receiver_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let beyond_64_bits = serde_json::from_str::<Value>("99999999999999999999999999").unwrap();
    for receiver in [
        json!(ada.id + 1),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        beyond_64_bits,
        json!("99999999999999999999999999"),
        json!("-5"),
    ] {
        let body = json!({ "receiver_id": receiver, "content": "x" });
        let response = stage.here().post("/api/messages/").by(&ada).json(&body).await;
        assert_eq!(
            (response.status, response.json()),
            (400, json!({ "receiver_id": ["User not found."] })),
            "{receiver}"
        );
    }
}

#[apply(both_modes)]
async fn a_message_to_oneself_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let body = json!({ "receiver_id": ada.id, "content": "x" });
    let errors = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(400);
    assert!(errors["receiver_id"][0].is_string(), "{errors}");
    assert_eq!(stage.number("SELECT COUNT(*) FROM messages"), 0);
}

#[apply(both_modes)]
async fn read_only_fields_are_ignored(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let body = json!({
        "receiver_id": bob.id, "content": "x", "is_read": true, "id": 1_000_000, "sender": eve.id,
        "sender_id": eve.id, "created_at": "2001-01-01T00:00:00Z", "story": "x",
    });
    let message = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
    assert_eq!(message["is_read"], false);
    assert_eq!(message["sender"], ada.summary());
    assert_ne!(message["id"], 1_000_000);
    assert!(!message["created_at"].as_str().unwrap().starts_with("2001"));
    let conversations = stage.here().get("/api/messages/conversations/").by(&bob).await.is(200);
    assert_eq!(conversations[0]["unread_count"], 1);
}

#[apply(both_modes)]
async fn a_story_is_accepted_and_ignored(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for story in [json!("3b241101-e2bb-4255-8caf-4136c566a962"), json!(null)] {
        let body = json!({ "receiver_id": bob.id, "content": "x", "reply_to_story": story });
        let message = stage.here().post("/api/messages/").by(&ada).json(&body).await.is(201);
        assert_eq!(message["story"], json!(null));
    }
}

#[apply(both_modes)]
async fn forms_are_accepted_like_json(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let receiver = bob.id.to_string();
    let fields = [("receiver_id", receiver.as_str()), ("content", " grüße & 😀=x ")];
    for call in [
        stage.here().post("/api/messages/").form(&fields),
        stage.here().post("/api/messages/").multipart(&fields),
    ] {
        let message = call.by(&ada).await.is(201);
        assert_eq!((&message["content"], &message["receiver"]), (&json!("grüße & 😀=x"), &bob.summary()));
    }
    let errors =
        json!({ "receiver_id": ["This field is required."], "content": ["This field may not be blank."] });
    stage.here().post("/api/messages/").form(&[("content", " ")]).by(&ada).await.is_json(400, errors);
}
