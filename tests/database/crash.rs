//! A process that is killed while it writes loses no acknowledged message.

use std::sync::Mutex;

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use tempfile::TempDir;

use crate::process::Program;
use crate::support::wait::until_within;
use crate::support::{Person, Response, SECRET_KEY, TIMEOUT};

/// Senders that write concurrently.
const SENDERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_acknowledged_message_is_lost_when_the_process_is_killed() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder)
        .with("PORT", "0")
        .with("SECRET_KEY", SECRET_KEY)
        .with("LOG", "warn,numeneon=info");
    let mut process = program.start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..4 {
        let enough = acknowledged.lock().expect("no panic").len() + 100;
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("an HTTP client");
        let url = format!("http://127.0.0.1:{}/api/messages/", process.port());
        let senders = join_all((0..SENDERS).map(|sender| {
            let prefix = format!("{round} {sender}");
            let request = client.post(&url).bearer_auth(&ada.access);
            send_until_disconnected(request, &bob, prefix, &acknowledged)
        }));
        let killer = async {
            let written = async || acknowledged.lock().expect("no panic").len() >= enough;
            until_within(2 * TIMEOUT, "enough messages are acknowledged", written).await;
            process.kill();
        };
        tokio::join!(senders, killer);

        process = program.start();
        let stored = contents(&process.request("GET", "/api/messages/").by(&bob).await);
        for content in acknowledged.lock().expect("no panic").iter() {
            assert!(stored.contains(content), "{content} was acknowledged and is lost");
        }
        every_message_is_an_event(&process, &bob, stored.len()).await;
    }
    let count = acknowledged.into_inner().expect("no panic").len();
    println!("{count} messages were acknowledged, and all are stored");
}

/// Sends one message after the other, and records those that are acknowledged, until the process
/// is killed.
async fn send_until_disconnected(
    request: RequestBuilder,
    receiver: &Person,
    prefix: String,
    acknowledged: &Mutex<Vec<String>>,
) {
    for number in 0.. {
        let content = format!("{prefix} {number}");
        let body = serde_json::json!({ "receiver_id": receiver.id, "content": content });
        let request = request.try_clone().expect("a request without a stream");
        let Ok(response) = request.json(&body).send().await else { return };
        assert_eq!(response.status(), 201);
        acknowledged.lock().expect("no panic").push(content);
    }
}

fn contents(response: &Response) -> Vec<String> {
    let messages = response.is(200);
    let messages = messages.as_array().expect("a list");
    messages.iter().map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

/// Checks that the inbox has an event for each message, without a gap, and that a socket
/// receives them all.
async fn every_message_is_an_event(process: &crate::process::Process, person: &Person, messages: usize) {
    let mut socket = process.handshake(person).query("cursor", "0").open().await;
    assert_eq!(socket.greeting["seq"], messages);
    for seq in 1..=messages {
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["seq"]), (&"new_message".into(), &seq.into()));
    }
}
