//! A process that is killed in the midst of writes keeps every acknowledged message.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::process::Program;
use crate::support::{Answer, LIMIT, Person, SECRET_KEY};
use crate::wait::within;

/// How many senders write at once.
const SENDERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_acknowledged_message_of_a_process_that_is_killed() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::within(&folder)
        .with("PORT", "0")
        .with("SECRET_KEY", SECRET_KEY)
        .with("LOG", "warn,numeneon=info");
    let mut process = program.start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..4 {
        let enough = acknowledged.lock().expect("no panic").len() + 100;
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().expect("an HTTP client");
        let url = format!("http://127.0.0.1:{}/api/messages/", process.port());
        let senders = join_all((0..SENDERS).map(|sender| {
            let (client, url, acknowledged, ada, bob) = (&client, &url, &acknowledged, &ada, &bob);
            async move {
                for number in 0.. {
                    let content = format!("{round} {sender} {number}");
                    let body = serde_json::json!({ "receiver_id": bob.id, "content": content });
                    match client.post(url).bearer_auth(&ada.access).json(&body).send().await {
                        Ok(answer) if answer.status() == 201 => {
                            acknowledged.lock().expect("no panic").push(content)
                        }
                        Ok(answer) => panic!("{answer:?}"),
                        // Killed.
                        Err(_) => return,
                    }
                }
            }
        }));
        let killer = async {
            let many = async || acknowledged.lock().expect("no panic").len() >= enough;
            within(LIMIT + Duration::from_secs(40), "messages are written", many).await;
            process.kill();
        };
        tokio::join!(senders, killer);

        process = program.start();
        let kept = contents(&process.call("GET", "/api/messages/").by(&bob).await);
        for content in acknowledged.lock().expect("no panic").iter() {
            assert!(kept.contains(content), "{content} was acknowledged and is lost");
        }
        every_message_is_an_event(&process, &bob, kept.len()).await;
    }
    let count = acknowledged.into_inner().expect("no panic").len();
    println!("{count} messages were acknowledged, and all are kept");
}

fn contents(answer: &Answer) -> Vec<String> {
    let messages = answer.is(200);
    let messages = messages.as_array().expect("a list");
    messages.iter().map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

/// Checks that the inbox has an event for each message, numbered without a gap, and
/// that a socket is sent them all.
async fn every_message_is_an_event(process: &crate::process::Process, person: &Person, messages: usize) {
    let mut socket = process.dial(person).query("cursor", "0").open().await;
    assert_eq!(socket.greeting["seq"], messages);
    for seq in 1..=messages {
        let frame = socket.next().await;
        assert_eq!((&frame["type"], &frame["seq"]), (&"new_message".into(), &seq.into()));
    }
}
