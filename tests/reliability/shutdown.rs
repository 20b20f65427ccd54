//! SIGTERM and SIGINT: unready at once, sockets closed with 1012 over a stated time,
//! requests finished, exit code 0, and all that within the sum of its stages.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use futures_util::future::join_all;
use rstest::rstest;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::support::{LIMIT, Person, SECRET_KEY};
use crate::wait::{signal, within};

const DELAY: Duration = Duration::from_secs(1);
const SPREAD: Duration = Duration::from_secs(1);
const REQUESTS: Duration = Duration::from_secs(2);

/// What the process may take beyond its stages: a moment for the last connections,
/// a second for a database call that hangs, and one for a busy machine.
const SLACK: Duration = Duration::from_secs(2);

struct Scene {
    process: Process,
    ada: Person,
    bob: Person,
    folder: TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = TempDir::new().expect("a folder");
        let settings = [
            ("PORT", "0"),
            ("SECRET_KEY", SECRET_KEY),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            ("SHUTDOWN_DELAY_SECONDS", "1"),
            ("SHUTDOWN_SPREAD_SECONDS", "1"),
            ("SHUTDOWN_REQUESTS_SECONDS", "2"),
            ("DATABASE_LOCK_TIMEOUT_MS", "20000"),
            ("DATABASE_STATEMENT_TIMEOUT_MS", "20000"),
        ];
        let process = Program::within(&folder).with_all(&settings).start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        Self { process, ada, bob, folder }
    }

    /// Takes the one writer's lock of the database.
    fn hold_database(&self) -> SqliteConnection {
        let path = self.folder.path().join("numeneon.sqlite3");
        let mut conn = SqliteConnection::establish(&path.display().to_string()).expect("it opens");
        conn.batch_execute("BEGIN IMMEDIATE").expect("the lock");
        conn
    }

    /// Sends a message on this connection, and waits until it waits for the database.
    async fn write_and_wait(&self, connection: &mut TcpStream) {
        let body = format!("receiver_id={}&content=x", self.bob.id);
        let request = format!(
            "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.ada.access,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.expect("sent");
        within(LIMIT, "it waits for the database", async || self.uses_database().await).await;
    }

    /// Returns whether a connection to the database is in use.
    async fn uses_database(&self) -> bool {
        let metrics = self.process.watch("/metrics").await.text;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("numeneon_database_connections_in_use "));
        line.expect("the number in use").parse::<u32>().expect("a number") > 0
    }

    async fn is_unready(&self) -> bool {
        self.process.call("GET", "/readyz").await.status == 503
    }
}

#[rstest]
#[case("TERM")]
#[case("INT")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_closes_sockets_with_1012_and_ends_with_0(#[case] name: &str) {
    let mut scene = Scene::set().await;
    let mut socket = scene.process.dial(&scene.bob).open().await;
    assert!(!scene.is_unready().await);

    let started = Instant::now();
    signal(scene.process.pid(), name);
    within(Duration::from_millis(500), "it is unready", async || scene.is_unready().await).await;
    // Load balancers need a moment to notice: until then all goes on, for those who
    // come too. The connection ends with the answer, so that the next goes elsewhere.
    let mut newcomer = scene.process.dial(&scene.ada).open().await;
    let answer = scene.process.message(&scene.ada, &scene.bob, "in the delay").await;
    assert_eq!((answer.status, answer.header("connection").as_deref()), (201, Some("close")));
    assert_eq!(socket.next().await["data"]["content"], "in the delay");
    assert!(started.elapsed() < DELAY, "the test was too slow to see the delay");

    assert_eq!(socket.closed().await.0, 1012);
    assert_eq!(newcomer.closed().await.0, 1012);
    assert!(started.elapsed() >= DELAY, "sockets stay for the delay: {:?}", started.elapsed());
    assert_eq!(scene.process.ended(LIMIT).code(), Some(0));
    let took = started.elapsed();
    assert!(took < DELAY + SPREAD + SLACK, "nobody had to be waited for: {took:?}");
    println!("after SIG{name} it ended in {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_finished() {
    let mut scene = Scene::set().await;
    let mut held = scene.hold_database();
    let request = {
        let call = scene.process.call("POST", "/api/messages/").by(&scene.ada);
        let body = serde_json::json!({ "receiver_id": scene.bob.id, "content": "in flight" });
        tokio::spawn(async move { call.json(&body).await })
    };
    within(LIMIT, "the request is in flight", async || scene.uses_database().await).await;
    let started = Instant::now();
    scene.process.terminate();
    within(LIMIT, "requests are waited for", async || {
        scene.process.log().iter().any(|line| line.contains("finishing requests"))
    })
    .await;
    assert!(!request.is_finished());
    held.batch_execute("ROLLBACK").expect("the lock is free");
    request.await.expect("no panic").is(201);
    assert_eq!(scene.process.ended(LIMIT).code(), Some(0));
    assert!(started.elapsed() < DELAY + SPREAD + REQUESTS + SLACK, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_keep_it_from_ending() {
    let mut scene = Scene::set().await;
    let held = scene.hold_database();
    // A request that waits for the database, a socket that never reads, half of a
    // request, and a connection that says nothing.
    let _deaf = scene.process.dial(&scene.bob).receive_buffer_bytes(4_096).upgrade().await.expect("it opens");
    let address = ("127.0.0.1", scene.process.port());
    let mut stuck = TcpStream::connect(address).await.expect("it connects");
    scene.write_and_wait(&mut stuck).await;
    let mut half = TcpStream::connect(address).await.expect("it connects");
    half.write_all(b"POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .await
        .expect("sent");
    let _silent = TcpStream::connect(address).await.expect("it connects");

    let started = Instant::now();
    scene.process.terminate();
    assert_eq!(scene.process.ended(LIMIT).code(), Some(0));
    let took = started.elapsed();
    assert!(took < DELAY + SPREAD + REQUESTS + SLACK, "{took:?}");
    println!("with all that in its way it ended in {took:?}");
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sockets_are_closed_in_steps_and_not_in_one_moment() {
    const SOCKETS: usize = 500;
    let mut scene = Scene::set().await;
    let open = (0..SOCKETS).map(|_| scene.process.dial(&scene.bob).open());
    let sockets = join_all(open).await;
    let started = Instant::now();
    scene.process.terminate();
    let closing = sockets.into_iter().map(|mut socket| async move {
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 1012, "{reason}");
        started.elapsed()
    });
    let mut closed: Vec<Duration> = join_all(closing).await;
    closed.sort();
    let (first, last) = (closed[0], closed[SOCKETS - 1]);
    println!("{SOCKETS} sockets were closed from {first:?} to {last:?} after SIGTERM");
    assert!(first >= DELAY, "{first:?}");
    assert!(last - first > SPREAD / 2, "spread over {:?}", last - first);
    assert!(last < DELAY + SPREAD + SLACK, "{last:?}");
    assert_eq!(scene.process.ended(LIMIT).code(), Some(0));
}

#[rstest]
#[case::idle(false)]
#[case::with_a_database_that_hangs(true)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once(#[case] hangs: bool) {
    let mut scene = Scene::set().await;
    let held = hangs.then(|| scene.hold_database());
    let mut stuck = TcpStream::connect(("127.0.0.1", scene.process.port())).await.expect("it connects");
    if hangs {
        scene.write_and_wait(&mut stuck).await;
    }
    scene.process.terminate();
    within(LIMIT, "it is unready", async || scene.is_unready().await).await;
    let started = Instant::now();
    scene.process.terminate();
    assert_eq!(scene.process.ended(LIMIT).code(), Some(1), "it was not graceful");
    let took = started.elapsed();
    assert!(took < SLACK, "{took:?}");
    drop(held);
}
