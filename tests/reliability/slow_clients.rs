//! Clients that send a byte a second are cut off in time, and cost nobody else any.

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

/// How long the service waits for a head, and for a body.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
const BODY_LIMIT: Duration = Duration::from_secs(20);

/// By how much the library's own clock, which it sets twice a second, may be ahead.
const CLOCK: Duration = Duration::from_secs(1);

/// What a busy machine may add to these.
const SLACK: Duration = Duration::from_secs(8);

/// Slow clients: half of them send a head, half a body.
const SLOW: usize = 200;

/// Requests of the client that is not slow, with and without the others.
const REQUESTS: usize = 60;

/// The beginning of a head that does not end.
const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

/// A head, complete, of a request with a body that does not end.
const BODY: &str = "POST /api/auth/token/refresh/ HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"refresh\": \"";

/// What became of a slow client.
struct Cut {
    /// From the connection to the first byte of the answer.
    answered: Duration,
    /// From the connection to its end.
    ended: Duration,
    answer: String,
}

impl Cut {
    /// Checks that it was answered 408 and disconnected, neither before its time nor
    /// long after.
    #[track_caller]
    fn came_at(&self, limit: Duration) {
        assert!(self.answer.starts_with("HTTP/1.1 408 "), "{}", self.answer);
        let due = limit - CLOCK..limit + SLACK;
        assert!(due.contains(&self.answered), "answered after {:?}", self.answered);
        assert!(due.contains(&self.ended), "ended after {:?}", self.ended);
    }
}

/// Sends this at once, then a byte a second for as long as the connection lasts.
async fn send_slowly(port: u16, beginning: &str, connected: Arc<AtomicUsize>) -> Cut {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let started = Instant::now();
    stream.write_all(beginning.as_bytes()).await.expect("it is open");
    connected.fetch_add(1, Ordering::Relaxed);
    let (mut incoming, mut outgoing) = stream.split();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut answered, mut answer) = (None, Vec::new());
    loop {
        tokio::select! {
            read = incoming.read_buf(&mut answer) => match read {
                Ok(1..) => { answered.get_or_insert_with(|| started.elapsed()); }
                // Bytes that arrive after the end of a connection reset it.
                Ok(0) | Err(_) => break,
            },
            // Whether it still can be sent is seen by what is read.
            _ = seconds.tick() => drop(outgoing.write_all(b"a").await),
        }
    }
    connected.fetch_sub(1, Ordering::Relaxed);
    let ended = started.elapsed();
    let answer = String::from_utf8(answer).expect("an answer in UTF-8");
    Cut { answered: answered.unwrap_or(ended), ended, answer }
}

/// Returns how long requests take that write and read: the median, and the longest.
async fn requests(process: &Process, ada: &Person, bob: &Person) -> (Duration, Duration) {
    let mut took = Vec::new();
    for _ in 0..REQUESTS / 2 {
        let started = Instant::now();
        process.message(ada, bob, "hello").await.is(201);
        took.push(started.elapsed());
        let started = Instant::now();
        process.call("GET", "/api/auth/me/").by(bob).await.is(200);
        took.push(started.elapsed());
    }
    took.sort();
    (took[took.len() / 2], took[took.len() - 1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_send_a_byte_a_second_are_cut_off_and_cost_others_nothing() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::within(&folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY)])
        .start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    let (undisturbed, _) = requests(&process, &ada, &bob).await;

    let connected = Arc::new(AtomicUsize::new(0));
    let (mut heads, mut bodies) = (JoinSet::new(), JoinSet::new());
    for _ in 0..SLOW / 2 {
        heads.spawn(send_slowly(process.port(), HEAD, connected.clone()));
        bodies.spawn(send_slowly(process.port(), BODY, connected.clone()));
    }
    crate::wait::within(HEAD_LIMIT, "all are connected", async || connected.load(Ordering::Relaxed) == SLOW)
        .await;
    let (median, longest) = requests(&process, &ada, &bob).await;
    assert_eq!(connected.load(Ordering::Relaxed), SLOW, "all are connected still");
    println!("requests took {median:?}, {longest:?} at most; {undisturbed:?} undisturbed");
    assert!(median < undisturbed * 3 + Duration::from_millis(200), "{median:?}, undisturbed {undisturbed:?}");
    // Who waits for a slow client waits until it is cut off.
    assert!(longest < HEAD_LIMIT / 2, "{longest:?}");

    for cut in heads.join_all().await {
        cut.came_at(HEAD_LIMIT);
    }
    for cut in bodies.join_all().await {
        cut.came_at(BODY_LIMIT);
        let (_, body) = cut.answer.split_once("\r\n\r\n").expect("a head");
        let body: Value = serde_json::from_str(body).expect("a body of JSON");
        assert_eq!(body, serde_json::json!({ "detail": "Request body came too slowly." }));
    }
}
