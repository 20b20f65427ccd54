//! Who was answered once cannot keep the connection by sending a byte a second.

use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::process::Program;
use crate::support::SECRET_KEY;

/// How long the service listens to somebody to whom it says nothing.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(8);

/// A request that is answered without asking the database.
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A request without a token, which is refused before its body has come.
const POST: &str = "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";

/// Someone who sends a whole request, and then something each second forever.
struct Keeper {
    request: &'static str,
    status: &'static str,
    /// What is sent once, and what each second.
    then: (&'static str, &'static str),
}

const KEEPERS: [Keeper; 3] = [
    Keeper {
        request: GET,
        status: "200",
        then: ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "a"),
    },
    Keeper { request: GET, status: "200", then: ("", "\r\n") },
    Keeper { request: POST, status: "401", then: ("", "1\r\na\r\n") },
];

/// Returns how long a connection was kept after the first answer, and what else was said on it.
async fn keep(port: u16, keeper: &Keeper) -> (Duration, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    stream.write_all(keeper.request.as_bytes()).await.expect("it is open");
    let mut answer = [0; 4_096];
    let length = stream.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", keeper.status)), "{answer}");
    let started = Instant::now();
    stream.write_all(keeper.then.0.as_bytes()).await.expect("it is open still");
    let (mut incoming, mut outgoing) = stream.split();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = Vec::new();
    let until_it_ends = async {
        loop {
            tokio::select! {
                read = incoming.read_buf(&mut rest) => if !matches!(read, Ok(1..)) { break },
                // Whether it still can be sent is seen by what is read.
                _ = seconds.tick() => drop(outgoing.write_all(keeper.then.1.as_bytes()).await),
            }
        }
    };
    let ended = timeout(REQUEST_LIMIT + SLACK, until_it_ends).await;
    assert!(ended.is_ok(), "kept still, with {:?} each second", keeper.then.1);
    (started.elapsed(), String::from_utf8_lossy(&rest).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_answered_once_ends_with_its_client_s_time() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::within(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            // So that nothing is said to the socket meanwhile.
            ("SOCKET_PING_SECONDS", "600"),
        ])
        .start();
    let ada = process.sign_up("ada").await;
    let mut socket = process.dial(&ada).open().await;

    let mut keepers = JoinSet::new();
    for port in [process.port(), process.metrics_port()] {
        // The other port has no answer but 404 to a POST, with the connection's end.
        for keeper in KEEPERS.iter().filter(|it| port == process.port() || it.request == GET) {
            keepers.spawn(keep(port, keeper));
        }
    }
    let mut seconds = interval(Duration::from_secs(1));
    let mut cut = Vec::new();
    while !keepers.is_empty() {
        tokio::select! {
            kept = keepers.join_next() => cut.push(kept.expect("there are some").expect("no panic")),
            // A socket may send what is not answered, for as long as it likes.
            _ = seconds.tick() => socket.send(Message::Pong("still here".into())).await,
        }
    }
    assert_eq!(cut.len(), 5);
    for (kept, rest) in cut {
        assert!((REQUEST_LIMIT..REQUEST_LIMIT + SLACK).contains(&kept), "kept for {kept:?}");
        assert_eq!(rest, "");
    }
    assert_eq!(socket.answer(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
}
