//! `docs/asyncapi.yaml` describes every frame of the socket, and nothing that is none. That
//! what happens is as described is seen to by every test with a socket
//! (`tests/support/asyncapi.rs`); here and in [`asyncapi_closes`](super::asyncapi_closes), that what
//! is described happens.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use crate::integrations;
use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Dial, Socket, description};

#[test]
fn its_examples_are_what_they_are_examples_of() {
    let messages = description().document["components"]["messages"].as_object().expect("messages");
    for (name, message) in messages {
        assert!(message["examples"].as_array().is_some_and(|it| !it.is_empty()), "{name} has no example");
    }
    assert!(description().check_examples() > messages.len());
}

#[test]
fn it_is_of_this_version_and_names_each_message_as_its_type() {
    let document = &description().document;
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let [told, said] = [true, false].map(|of_server| description().names(of_server));
    let channel = document["channels"]["notifications"]["messages"].as_object().expect("messages");
    assert_eq!(channel.keys().map(String::as_str).collect::<BTreeSet<_>>(), &told | &said);
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
fn it_leaves_the_names_to_other_services_that_the_service_leaves_to_them() {
    let taken = &description().document["components"]["schemas"]["Announcement"]["properties"]["type"];
    assert_eq!(taken["not"]["enum"], json!(numeneon::events::OWN_NAMES));
    let [told, said] = [true, false].map(|of_server| description().names(of_server));
    let others = BTreeSet::from(["announcement", "json", "text"]);
    // Instances tell each other of ended sessions; it may be told to clients some day.
    let own = &(&(&told | &said) - &others) | &BTreeSet::from(["sessions_ended"]);
    assert_eq!(own, numeneon::events::OWN_NAMES.iter().copied().collect());
}

#[test]
fn the_frames_of_the_protocols_page_are_frames() {
    let page = include_str!("../../docs/protocol.md");
    let (_, part) = page.split_once("\n## The socket\n").expect("the part on the socket");
    let (part, _) = part.split_once("\n### Refusals and closes\n").expect("the next part");
    let frames = part.lines().filter(|line| line.starts_with(r#"{"type":"#));
    let names: Vec<_> = frames.map(|line| description().told(line)).collect();
    assert_eq!(names, ["connection_established", "friend_request", "friend_accepted", "new_message"]);
}

#[tokio::test]
async fn its_query_is_that_of_the_description_of_http() {
    let stage = Laptop.stage();
    let http = stage.here().get("/api/schema/").await.is(200);
    let parameters = http["paths"]["/ws/notifications/"]["get"]["parameters"].as_array().expect("a list");
    let of_http: BTreeSet<_> = parameters.iter().filter_map(|it| it["name"].as_str()).collect();
    let query = &description().document["channels"]["notifications"]["bindings"]["ws"]["query"];
    let names = query["properties"].as_object().expect("names").keys();
    assert_eq!(names.map(String::as_str).collect::<BTreeSet<_>>(), of_http);
}

/// A socket that notes which frames went over it.
struct Noted {
    socket: Socket,
    told: BTreeSet<&'static str>,
    said: BTreeSet<&'static str>,
}

impl Noted {
    async fn open(dial: Dial) -> Self {
        let socket = dial.open().await;
        let told = BTreeSet::from([description().told(&socket.greeting.to_string())]);
        Self { socket, told, said: BTreeSet::new() }
    }

    async fn is_told(&mut self, name: &str) -> Value {
        let text = self.socket.text().await;
        let told = description().told(&text);
        assert_eq!(told, name, "{text}");
        self.told.insert(told);
        serde_json::from_str(&text).expect("JSON")
    }

    async fn says(&mut self, text: &str, answer: &str) {
        self.said.insert(description().said(text));
        self.socket.say(text).await;
        self.is_told(answer).await;
    }
}

#[rstest]
#[tokio::test]
async fn every_message_of_it_is_told_or_said(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = integrations::stage(kind);
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    let here = stage.here();
    let mut socket = Noted::open(stage.there().dial().token(&ada.access)).await;

    here.post(&format!("/api/friends/request/{}/", ada.id)).by(&bob).await.is(201);
    socket.is_told("friend_request").await;
    stage.befriend(&ada, &cleo).await;
    socket.is_told("friend_accepted").await;
    here.message(&bob, &ada, "hello").await;
    let last = socket.is_told("new_message").await["seq"].clone();
    here.post("/api/notifications/read/").by(&ada).json(&json!({ "up_to": last })).await.is(200);
    socket.is_told("notifications_read").await;
    for (durable, status) in [(true, 201), (false, 202)] {
        let body = json!({ "user_ids": [ada.id], "type": "new_post", "data": [1], "durable": durable });
        integrations::announce(here, &body).await.is(status);
        let frame = socket.is_told("announcement").await;
        assert_eq!(frame.get("seq").is_some(), durable, "{frame}");
    }
    socket.says(r#"{"type":"ping"}"#, "pong").await;
    socket.says(r#"{"type":"pong"}"#, "echo").await;
    socket.says("hello", "error").await;

    let ahead = stage.there().dial().token(&ada.access).query("cursor", "1000");
    let mut ahead = Noted::open(ahead).await;
    ahead.is_told("resync_required").await;
    assert_eq!(&socket.told | &ahead.told, description().names(true), "described, and told here");
    assert_eq!(socket.said, description().names(false), "described, and said here");
}
