//! `docs/asyncapi.yaml` describes every frame of the socket, and only those. Every test with a
//! socket checks that what it sees is described (`tests/support/asyncapi.rs`). The tests here
//! and in [`asyncapi_closes`](super::asyncapi_closes) check that what is described occurs.

use std::collections::BTreeSet;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::integrations;
use crate::support::Mode::{self, Standalone};
use crate::support::{Handshake, Socket, both_modes, description};

#[test]
fn every_message_has_valid_examples() {
    let messages = description().document["components"]["messages"].as_object().expect("messages");
    for (name, message) in messages {
        assert!(message["examples"].as_array().is_some_and(|it| !it.is_empty()), "{name} has no example");
    }
    assert!(description().check_examples() > messages.len());
}

#[test]
fn it_has_this_version_and_names_each_message_after_its_type() {
    let document = &description().document;
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let (server, client) = (description().server_frame_names(), description().client_frame_names());
    let channel = document["channels"]["notifications"]["messages"].as_object().expect("messages");
    assert_eq!(channel.keys().map(String::as_str).collect::<BTreeSet<_>>(), &server | &client);
    for (key, message) in document["components"]["messages"].as_object().expect("messages") {
        assert_eq!(message["name"], **key);
        let schema = message["payload"]["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
        let schema = document.pointer(schema.expect("a schema of its own")).expect("a schema");
        let name = schema.pointer("/properties/type/const");
        let has_no_type = ["announcement", "json", "text"].contains(&key.as_str());
        assert_eq!(name, (!has_no_type).then(|| json!(key)).as_ref(), "{key}");
    }
}

#[test]
fn an_announcement_may_have_any_type_that_the_service_does_not_use() {
    let reserved = &description().document["components"]["schemas"]["Announcement"]["properties"]["type"];
    assert_eq!(reserved["not"]["enum"], json!(numeneon::events::OWN_NAMES));
    let (server, client) = (description().server_frame_names(), description().client_frame_names());
    let others = BTreeSet::from(["announcement", "json", "text"]);
    // Instances send this one to each other. It is reserved in case clients receive it one day.
    let shared: BTreeSet<_> = numeneon::events::SHARED_NAMES.iter().copied().collect();
    assert!(server.is_superset(&shared), "{shared:?}");
    let own = &(&(&(&server | &client) - &others) - &shared) | &BTreeSet::from(["sessions_ended"]);
    assert_eq!(own, numeneon::events::OWN_NAMES.iter().copied().collect());
}

#[test]
fn the_frames_in_the_protocol_document_are_described() {
    let page = include_str!("../../docs/protocol.md");
    let (_, part) = page.split_once("\n## The socket\n").expect("the section on the socket");
    let (part, _) = part.split_once("\n### Refusals and closes\n").expect("the next section");
    let frames = part.lines().filter(|line| line.starts_with(r#"{"type":"#));
    let names: Vec<_> = frames.map(|line| description().server_frame(line)).collect();
    assert_eq!(names, ["connection_established", "friend_request", "friend_accepted", "new_message"]);
}

#[tokio::test]
async fn its_query_parameters_are_those_in_the_openapi_document() {
    let stage = Standalone.stage();
    let http = stage.here().get("/api/schema/").await.is(200);
    let parameters = http["paths"]["/ws/notifications/"]["get"]["parameters"].as_array().expect("a list");
    let of_openapi: BTreeSet<_> = parameters.iter().filter_map(|it| it["name"].as_str()).collect();
    let query = &description().document["channels"]["notifications"]["bindings"]["ws"]["query"];
    let names = query["properties"].as_object().expect("names").keys();
    assert_eq!(names.map(String::as_str).collect::<BTreeSet<_>>(), of_openapi);
}

/// A socket that records the names of the frames on it.
struct RecordedSocket {
    socket: Socket,
    received: BTreeSet<&'static str>,
    sent: BTreeSet<&'static str>,
}

impl RecordedSocket {
    async fn open(handshake: Handshake) -> Self {
        let socket = handshake.open().await;
        let received = BTreeSet::from([description().server_frame(&socket.greeting.to_string())]);
        Self { socket, received, sent: BTreeSet::new() }
    }

    async fn receive(&mut self, name: &str) -> Value {
        let text = self.socket.text().await;
        let received = description().server_frame(&text);
        assert_eq!(received, name, "{text}");
        self.received.insert(received);
        serde_json::from_str(&text).expect("JSON")
    }

    async fn send(&mut self, text: &str, reply: &str) {
        self.sent.insert(description().client_frame(text));
        self.socket.send_text(text).await;
        self.receive(reply).await;
    }
}

#[apply(both_modes)]
async fn every_frame_is_received_or_sent(mode: Mode) {
    let stage = integrations::stage(mode);
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    let here = stage.here();
    let handshake = stage.there().handshake().token(&ada.access).subprotocols("numeneon.v1");
    let mut socket = RecordedSocket::open(handshake).await;

    here.post(&format!("/api/friends/request/{}/", ada.id)).by(&bob).await.is(201);
    socket.receive("friend_request").await;
    stage.befriend(&ada, &cleo).await;
    socket.receive("friend_accepted").await;
    here.message(&bob, &ada, "hello").await;
    socket.receive("new_message").await;
    here.write(&cleo, json!({ "content": "hello" })).await;
    socket.receive("new_post").await;
    here.write(&cleo, json!({ "content": "hello", "target_profile_id": ada.id })).await;
    socket.receive("wall_post").await;
    let post = here.write(&ada, json!({ "content": "hello" })).await["id"].take();
    here.write(&bob, json!({ "content": "yes", "parent_id": post })).await;
    socket.receive("post_comment").await;
    here.write(&bob, json!({ "content": "no", "parent_id": post, "mentioned_user_id": ada.id })).await;
    socket.receive("comment_reply").await;
    let body = json!({ "media_url": "https://example.com/a", "media_type": "image" });
    let story = here.post("/api/stories/").by(&ada).json(&body).await.is(201)["id"].take();
    let path = format!("/api/stories/{}/react/", story.as_str().unwrap());
    here.post(&path).by(&cleo).json(&json!({ "reaction_type": "heart" })).await.is(200);
    let last = socket.receive("story_reaction").await["seq"].clone();
    here.post("/api/notifications/read/").by(&ada).json(&json!({ "up_to": last })).await.is(200);
    socket.receive("notifications_read").await;
    here.message(&ada, &bob, "hello yourself").await;
    socket.receive("message_sent").await;
    here.post(&format!("/api/messages/conversation/{}/read/", bob.id)).by(&ada).await.is(200);
    socket.receive("messages_read").await;
    here.delete(&format!("/api/friends/remove/{}/", cleo.id)).by(&ada).await.is(200);
    socket.receive("friends_changed").await;
    for (durable, status) in [(true, 201), (false, 202)] {
        let body = json!({ "user_ids": [ada.id], "type": "album_shared", "data": [1], "durable": durable });
        integrations::announce(here, &body).await.is(status);
        let frame = socket.receive("announcement").await;
        assert_eq!(frame.get("seq").is_some(), durable, "{frame}");
    }
    socket.send(r#"{"type":"ping"}"#, "pong").await;
    socket.send(r#"{"type":"pong"}"#, "echo").await;
    socket.send("hello", "error").await;

    let ahead = stage.there().handshake().token(&ada.access).query("cursor", "1000");
    let mut ahead = RecordedSocket::open(ahead).await;
    ahead.receive("resync_required").await;
    assert_eq!(&socket.received | &ahead.received, description().server_frame_names());
    assert_eq!(socket.sent, description().client_frame_names());
}
