//! A client that has received a response cannot keep its connection by sending a byte a second.

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
use crate::wait::SLACK;

/// How long a client may send without a response.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that needs no database.
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A request without a token, which is refused before its body has arrived.
const POST: &str = "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";

/// A client that sends a whole request, and then something each second until it is disconnected.
struct SlowClient {
    request: &'static str,
    status: &'static str,
    /// What it sends once after the response, and what each second.
    then: (&'static str, &'static str),
}

const SLOW_CLIENTS: [SlowClient; 3] = [
    SlowClient {
        request: GET,
        status: "200",
        then: ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "a"),
    },
    SlowClient { request: GET, status: "200", then: ("", "\r\n") },
    SlowClient { request: POST, status: "401", then: ("", "1\r\na\r\n") },
];

/// Returns how long the connection lasted after the response, and what the server sent since.
async fn connect(port: u16, client: &SlowClient) -> (Duration, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    stream.write_all(client.request.as_bytes()).await.expect("an open connection");
    let mut response = [0; 4_096];
    let length = stream.read(&mut response).await.expect("a response");
    let response = String::from_utf8_lossy(&response[..length]);
    assert!(response.starts_with(&format!("HTTP/1.1 {} ", client.status)), "{response}");
    let started = Instant::now();
    stream.write_all(client.then.0.as_bytes()).await.expect("a connection that is still open");
    let (mut incoming, mut outgoing) = stream.split();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = Vec::new();
    let end = async {
        loop {
            tokio::select! {
                read = incoming.read_buf(&mut rest) => if !matches!(read, Ok(1..)) { break },
                // The end of the connection is noticed by reading.
                _ = seconds.tick() => drop(outgoing.write_all(client.then.1.as_bytes()).await),
            }
        }
    };
    let ended = timeout(SEND_TIMEOUT + SLACK, end).await;
    assert!(ended.is_ok(), "still connected, with {:?} each second", client.then.1);
    (started.elapsed(), String::from_utf8_lossy(&rest).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_when_its_client_sends_for_too_long_after_a_response() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            // The server sends nothing to the socket meanwhile.
            ("SOCKET_PING_SECONDS", "600"),
        ])
        .start();
    let ada = process.sign_up("ada").await;
    let mut socket = process.handshake(&ada).open().await;

    let mut clients = JoinSet::new();
    for port in [process.port(), process.metrics_port()] {
        // The metrics server responds to POST with 404 and closes the connection.
        for client in SLOW_CLIENTS.iter().filter(|it| port == process.port() || it.request == GET) {
            clients.spawn(connect(port, client));
        }
    }
    let mut seconds = interval(Duration::from_secs(1));
    let mut connections = Vec::new();
    while !clients.is_empty() {
        tokio::select! {
            ended = clients.join_next() => connections.push(ended.expect("a client").expect("no panic")),
            // A socket may send frames without a reply for any length of time.
            _ = seconds.tick() => socket.send(Message::Pong("still here".into())).await,
        }
    }
    assert_eq!(connections.len(), 5);
    for (lasted, rest) in connections {
        assert!((SEND_TIMEOUT..SEND_TIMEOUT + SLACK).contains(&lasted), "connected for {lasted:?}");
        assert_eq!(rest, "");
    }
    assert_eq!(socket.reply_to(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
}
