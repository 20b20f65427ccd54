//! Clients that send a byte a second are disconnected in time, and do not slow others down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::process::{Process, Program};
use crate::support::{Person, SECRET_KEY};
use crate::wait::{SLACK, until};

/// How long the service waits for a request's head, and for its body.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// By how much the clock of the HTTP library, which it sets twice a second, may be ahead.
const CLOCK: Duration = Duration::from_secs(1);

/// Slow clients: half of them send a head, half a body.
const SLOW: usize = 200;

/// Requests of the client that is not slow, with and without the others.
const REQUESTS: usize = 60;

/// Of these at least so many must be finished while all slow clients are connected.
const MIN_REQUESTS: usize = 10;

/// The beginning of a head that does not end.
const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

/// A complete head of a request with a body that does not end.
const BODY: &str = "POST /api/auth/token/refresh/ HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"refresh\": \"";

/// The end of a slow client's connection.
struct Disconnection {
    /// From the connection to the first byte of the response.
    responded: Duration,
    /// From the connection to its end.
    ended: Duration,
    response: String,
}

impl Disconnection {
    /// Checks that the client was disconnected with 408 when its time was over.
    #[track_caller]
    fn was_caused_by(&self, timeout: Duration) {
        assert!(self.response.starts_with("HTTP/1.1 408 "), "{}", self.response);
        let expected = timeout - CLOCK..timeout + SLACK;
        assert!(expected.contains(&self.responded), "the response came after {:?}", self.responded);
        assert!(expected.contains(&self.ended), "the connection ended after {:?}", self.ended);
    }
}

/// Sends the beginning at once, and then a byte a second until the connection ends.
async fn send_slowly(port: u16, beginning: &str, connected: Arc<AtomicUsize>) -> Disconnection {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let started = Instant::now();
    stream.write_all(beginning.as_bytes()).await.expect("an open connection");
    connected.fetch_add(1, Ordering::Relaxed);
    let (mut incoming, mut outgoing) = stream.split();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut responded, mut response) = (None, Vec::new());
    loop {
        tokio::select! {
            read = incoming.read_buf(&mut response) => match read {
                Ok(1..) => { responded.get_or_insert_with(|| started.elapsed()); }
                // Bytes that arrive after the end of a connection reset it.
                Ok(0) | Err(_) => break,
            },
            // The end of the connection is noticed by reading.
            _ = seconds.tick() => drop(outgoing.write_all(b"a").await),
        }
    }
    connected.fetch_sub(1, Ordering::Relaxed);
    let ended = started.elapsed();
    let response = String::from_utf8(response).expect("a response in UTF-8");
    Disconnection { responded: responded.unwrap_or(ended), ended, response }
}

/// Sends requests that write and read, as long as the condition holds, and returns how long each
/// took that was finished by then.
async fn requests(
    process: &Process,
    ada: &Person,
    bob: &Person,
    condition: impl Fn() -> bool,
) -> Vec<Duration> {
    let mut elapsed = Vec::new();
    while elapsed.len() < REQUESTS {
        let started = Instant::now();
        process.message(ada, bob, "hello").await.is(201);
        let written = started.elapsed();
        let started = Instant::now();
        process.request("GET", "/api/auth/me/").by(bob).await.is(200);
        let read = started.elapsed();
        if !condition() {
            break;
        }
        elapsed.extend([written, read]);
    }
    elapsed
}

fn median(mut elapsed: Vec<Duration>) -> Duration {
    elapsed.sort();
    elapsed[elapsed.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_send_a_byte_a_second_are_disconnected_and_do_not_slow_others_down() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY)])
        .start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    let before = median(requests(&process, &ada, &bob, || true).await);

    let connected = Arc::new(AtomicUsize::new(0));
    let (mut heads, mut bodies) = (JoinSet::new(), JoinSet::new());
    for _ in 0..SLOW / 2 {
        heads.spawn(send_slowly(process.port(), HEAD, connected.clone()));
        bodies.spawn(send_slowly(process.port(), BODY, connected.clone()));
    }
    until("all are connected", async || connected.load(Ordering::Relaxed) == SLOW).await;
    // A request that waited for a slow client would be finished after its disconnection.
    let all_connected = || connected.load(Ordering::Relaxed) == SLOW;
    let meanwhile = requests(&process, &ada, &bob, all_connected).await;
    assert!(meanwhile.len() >= MIN_REQUESTS, "only {} requests were finished meanwhile", meanwhile.len());

    for disconnection in heads.join_all().await {
        disconnection.was_caused_by(HEAD_TIMEOUT);
    }
    for disconnection in bodies.join_all().await {
        disconnection.was_caused_by(BODY_TIMEOUT);
        let (_, body) = disconnection.response.split_once("\r\n\r\n").expect("a head");
        let body: Value = serde_json::from_str(body).expect("a body of JSON");
        assert_eq!(body, serde_json::json!({ "detail": "Request body came too slowly." }));
    }

    // The machine may have become busier since the first requests, or less busy.
    let after = median(requests(&process, &ada, &bob, || true).await);
    let (meanwhile, undisturbed) = (median(meanwhile), before.max(after));
    println!("a request took {meanwhile:?}, and {undisturbed:?} undisturbed");
    assert!(meanwhile < undisturbed * 3 + Duration::from_millis(200), "{meanwhile:?}, {undisturbed:?}");
}
