//! SIGTERM and SIGINT: the process is unready at once, closes its sockets with 1012 over a stated
//! time, finishes requests, and exits with 0.
//!
//! Each test sets the stages of the shutdown that it is about, and the others so long that a process
//! which waited for them would exceed [`TIMEOUT`].

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use futures_util::future::join_all;
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::support::{Person, SECRET_KEY};
use crate::system::signal;
use crate::wait::{SLACK, TIMEOUT, until};

/// The stages of a shutdown, in seconds.
struct Stages {
    delay: u64,
    spread: u64,
    requests: u64,
}

/// Longer than [`TIMEOUT`].
const LONG: u64 = 200;

struct Fixture {
    process: Process,
    ada: Person,
    bob: Person,
    folder: TempDir,
}

impl Fixture {
    async fn start(stages: Stages) -> Self {
        let folder = TempDir::new().expect("a folder");
        let Stages { delay, spread, requests } = stages;
        let settings = [
            ("PORT", "0"),
            ("SECRET_KEY", SECRET_KEY),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            ("DATABASE_LOCK_TIMEOUT_MS", "600000"),
            ("DATABASE_STATEMENT_TIMEOUT_MS", "600000"),
            ("SHUTDOWN_DELAY_SECONDS", &delay.to_string()),
            ("SHUTDOWN_SPREAD_SECONDS", &spread.to_string()),
            ("SHUTDOWN_REQUESTS_SECONDS", &requests.to_string()),
        ];
        let process = Program::in_folder(&folder).with_all(&settings).start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        Self { process, ada, bob, folder }
    }

    /// Takes the lock that every writer of the database needs.
    fn lock_database(&self) -> SqliteConnection {
        let path = self.folder.path().join("numeneon.sqlite3");
        let mut conn = SqliteConnection::establish(&path.display().to_string()).expect("a connection");
        conn.batch_execute("BEGIN IMMEDIATE").expect("the lock");
        conn
    }

    /// Sends a message on this connection, and waits until the request waits for the database.
    async fn write_and_wait(&self, connection: &mut TcpStream) {
        let body = format!("receiver_id={}&content=x", self.bob.id);
        let request = format!(
            "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.ada.access,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.expect("the request is sent");
        until("the request waits for the database", async || self.uses_database().await).await;
    }

    /// Returns whether a connection to the database is in use.
    async fn uses_database(&self) -> bool {
        let metrics = self.process.on_metrics_port("/metrics").await.text;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("numeneon_database_connections_in_use "));
        line.expect("the metric").parse::<u32>().expect("a number") > 0
    }

    async fn is_unready(&self) -> bool {
        self.process.request("GET", "/readyz").await.status == 503
    }
}

#[rstest]
#[case("TERM")]
#[case("INT")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_closes_sockets_with_1012_and_exits_with_0(#[case] name: &str) {
    // The delay is long enough for the requests below on a busy machine.
    let stages = Stages { delay: 10, spread: 1, requests: LONG };
    let delay = Duration::from_secs(stages.delay);
    let mut fixture = Fixture::start(stages).await;
    let mut socket = fixture.process.handshake(&fixture.bob).open().await;
    assert!(!fixture.is_unready().await);

    let started = Instant::now();
    signal(fixture.process.pid(), name);
    until("the process is unready", async || fixture.is_unready().await).await;
    // A load balancer notices that after a while. Meanwhile the process serves old and new clients.
    // Connections end with their response, so that the next one goes to another instance.
    let mut new_socket = fixture.process.handshake(&fixture.ada).open().await;
    let response = fixture.process.message(&fixture.ada, &fixture.bob, "during the delay").await;
    assert_eq!((response.status, response.header("connection").as_deref()), (201, Some("close")));
    assert_eq!(socket.next().await["data"]["content"], "during the delay");
    assert!(started.elapsed() < delay, "the test took longer than the delay");

    assert_eq!(socket.closed().await.0, 1012);
    assert_eq!(new_socket.closed().await.0, 1012);
    assert!(started.elapsed() >= delay, "sockets stay open for the delay: {:?}", started.elapsed());
    assert_eq!(fixture.process.exited().code(), Some(0), "without waiting for requests");
    println!("after SIG{name} the process exited in {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_finished() {
    let mut fixture = Fixture::start(Stages { delay: 1, spread: 1, requests: LONG }).await;
    let mut lock = fixture.lock_database();
    let request = {
        let request = fixture.process.request("POST", "/api/messages/").by(&fixture.ada);
        let body = serde_json::json!({ "receiver_id": fixture.bob.id, "content": "in flight" });
        tokio::spawn(async move { request.json(&body).await })
    };
    until("the request is in flight", async || fixture.uses_database().await).await;
    fixture.process.terminate();
    until("the process waits for requests", async || {
        fixture.process.log().iter().any(|line| line.contains("finishing requests"))
    })
    .await;
    assert!(!request.is_finished());
    lock.batch_execute("ROLLBACK").expect("the lock is released");
    request.await.expect("no panic").is(201);
    assert_eq!(fixture.process.exited().code(), Some(0), "as soon as the request is finished");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_can_prevent_the_exit() {
    let mut fixture = Fixture::start(Stages { delay: 1, spread: 1, requests: 2 }).await;
    let lock = fixture.lock_database();
    // A request that waits for the database, a socket that never reads, an incomplete request, and
    // a connection that sends nothing.
    let never_reads = fixture.process.handshake(&fixture.bob).receive_buffer_bytes(4_096).upgrade();
    let _never_reads = never_reads.await.expect("the socket opens");
    let address = ("127.0.0.1", fixture.process.port());
    let mut stuck = TcpStream::connect(address).await.expect("a connection");
    fixture.write_and_wait(&mut stuck).await;
    let mut incomplete = TcpStream::connect(address).await.expect("a connection");
    incomplete
        .write_all(b"POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .await
        .expect("the request is sent in part");
    let _sends_nothing = TcpStream::connect(address).await.expect("a connection");

    let started = Instant::now();
    fixture.process.terminate();
    assert_eq!(fixture.process.exited().code(), Some(0));
    println!("with all these clients the process exited in {:?}", started.elapsed());
    drop(lock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sockets_are_closed_in_steps() {
    const SOCKETS: usize = 500;
    // Long enough that a pause of a busy machine does not hide the steps.
    let stages = Stages { delay: 1, spread: 8, requests: LONG };
    let (delay, spread) = (Duration::from_secs(stages.delay), Duration::from_secs(stages.spread));
    let mut fixture = Fixture::start(stages).await;
    let handshakes = (0..SOCKETS).map(|_| fixture.process.handshake(&fixture.bob).open());
    let sockets = join_all(handshakes).await;
    let started = Instant::now();
    fixture.process.terminate();
    let closing = sockets.into_iter().map(|mut socket| async move {
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 1012, "{reason}");
        started.elapsed()
    });
    let mut closed: Vec<Duration> = join_all(closing).await;
    closed.sort();
    let (first, last) = (closed[0], closed[SOCKETS - 1]);
    println!("{SOCKETS} sockets were closed from {first:?} to {last:?} after SIGTERM");
    assert!(first >= delay, "{first:?}");
    assert!(last - first > spread / 2, "spread over {:?}", last - first);
    assert!(last < delay + spread + SLACK, "{last:?}");
    assert_eq!(fixture.process.exited().code(), Some(0));
}

#[rstest]
#[case::idle(false)]
#[case::with_a_database_that_hangs(true)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process_at_once(#[case] hangs: bool) {
    let mut fixture = Fixture::start(Stages { delay: LONG, spread: LONG, requests: LONG }).await;
    let lock = hangs.then(|| fixture.lock_database());
    let mut stuck = TcpStream::connect(("127.0.0.1", fixture.process.port())).await.expect("a connection");
    if hangs {
        fixture.write_and_wait(&mut stuck).await;
    }
    fixture.process.terminate();
    until("the process is unready", async || fixture.is_unready().await).await;
    let started = Instant::now();
    fixture.process.terminate();
    assert_eq!(fixture.process.exited().code(), Some(1), "without the graceful shutdown");
    let elapsed = started.elapsed();
    assert!(elapsed < TIMEOUT, "{elapsed:?}");
    drop(lock);
}

/// A process with the number 1, as in a container, ends by a signal only if it has a handler: that it
/// exits by itself shows that it has one.
#[rstest]
#[case::serving(&["serve"], 0)]
#[case::migrating(&["migrate"], 1)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_the_start_ends_the_process_at_once(#[case] command: &[&str], #[case] code: i32) {
    let folder = TempDir::new().expect("a folder");
    // It accepts connections and does not reply.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = silent.local_addr().expect("an address").port();
    let mut process = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("DATABASE_CONNECT_TIMEOUT_SECONDS", "60")])
        .with("DATABASE_URL", &format!("postgres://nobody@127.0.0.1:{port}/nothing"))
        .launch_command(command);
    let (_connection, _) = silent.accept().await.expect("the process connects to its database");
    let started = Instant::now();
    process.terminate();
    assert_eq!(process.exited().code(), Some(code));
    assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
}
