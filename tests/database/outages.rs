//! A PostgreSQL that is away, killed, frozen or silent: requests are refused for now
//! within a bounded time, threads do not pile up, sockets stay, and service is back
//! soon after it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use numeneon::db::{AnyConnection, Db};
use tempfile::TempDir;
use tokio::time::interval;

use super::scratch::Scratch;
use super::timeouts::refused;
use crate::private_servers::PrivateServers;
use crate::process::{Process, Program};
use crate::proxy::Proxy;
use crate::support::{Database, LIMIT, Person, SECRET_KEY, Socket};
use crate::wait::within;

/// Service is back this soon after its database.
const BACK: Duration = Duration::from_secs(2);

/// Connections, and so the threads that a database can hang.
const POOL: usize = 8;

/// Requests at once during an outage: waves of so many each.
const WAVES: usize = 3;
const WAVE: usize = 10;

const SETTINGS: [(&str, &str); 9] = [
    ("PORT", "0"),
    ("WORKERS", "1"),
    ("SECRET_KEY", SECRET_KEY),
    ("DATABASE_POOL_SIZE", "8"),
    ("DATABASE_WAIT_MS", "500"),
    ("DATABASE_CONNECT_TIMEOUT_SECONDS", "2"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "1000"),
    ("DATABASE_LOCK_TIMEOUT_MS", "1000"),
    ("RUST_BACKTRACE", "1"),
];

/// How long a request takes at most whatever its database does: twice, for the token
/// and for the act, half a second for a connection that others have, and then either
/// a new connection (2 s, and one that libpq may round up to) or a call (1 s and half
/// a second). What follows a refusal is not tried, so the longest is one call that
/// passes and one that hangs.
const ANSWERED: Duration = Duration::from_millis(500 + 3_000 + 1_500 + 500);

/// Two people, one of whom listens.
struct Scene {
    process: Process,
    ada: Person,
    bob: Person,
    socket: Socket,
    _folder: TempDir,
}

impl Scene {
    async fn set(database_url: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let program = Program::within(&folder).with_all(&SETTINGS).with("DATABASE_URL", database_url);
        let process = program.start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        let socket = process.dial(&bob).open().await;
        Self { process, ada, bob, socket, _folder: folder }
    }

    async fn send(&self, content: &str) -> u16 {
        let started = Instant::now();
        let answer = self.process.message(&self.ada, &self.bob, content).await;
        let took = started.elapsed();
        assert!(matches!(answer.status, 201 | 503), "{answer:?}");
        assert_eq!(answer.status == 503, answer.header("retry-after").is_some());
        assert!(took < ANSWERED, "{} after {took:?}", answer.status);
        answer.status
    }

    /// Sends as many messages at once as would hang many threads, several times over.
    async fn is_refused_in_time(&self) -> Duration {
        let threads = self.process.threads();
        let started = Instant::now();
        let mut longest = Duration::ZERO;
        let mut pause = interval(Duration::from_millis(300));
        let mut waves = Vec::new();
        while started.elapsed() < Duration::from_secs(4) {
            pause.tick().await;
            waves.push(async {
                let started = Instant::now();
                let all = join_all((0..WAVE).map(|_| self.send("in the outage"))).await;
                assert!(all.iter().all(|status| *status == 503), "{all:?}");
                started.elapsed()
            });
            if waves.len() == WAVES {
                let took = join_all(waves.drain(..)).await;
                longest = took.into_iter().fold(longest, Duration::max);
                let now = self.process.threads();
                // Threads that hang keep a connection each; others come and go with requests.
                assert!(now <= threads + POOL + WAVES * WAVE, "{now} threads, and {threads} before");
            }
        }
        self.process.call("GET", "/healthz").await.is(200);
        self.process.call("GET", "/readyz").await.is(503);
        longest
    }

    /// Checks that service comes back by itself, and that the socket was there all along.
    async fn is_back(&mut self) -> Duration {
        let back = within(BACK, "service is back", async || self.send("after the outage").await == 201).await;
        let ready = async || self.process.call("GET", "/readyz").await.status == 200;
        within(BACK, "it is ready", ready).await;
        assert_eq!(self.socket.next().await["data"]["content"], "after the outage");
        back
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_survives_a_postgres_that_is_killed_frozen_and_restarted() {
    let servers = PrivateServers::start();
    let mut scene = Scene::set(servers.database_url()).await;
    for _ in 0..3 {
        assert_eq!(scene.send("before").await, 201);
        scene.socket.next().await;
    }

    servers.run(&["postgres-restart"]);
    println!("back {:?} after a restart", scene.is_back().await);

    servers.run(&["postgres-kill"]);
    println!("refused within {:?} while it is away", scene.is_refused_in_time().await);
    servers.run(&["postgres-start"]);
    println!("back {:?} after a crash", scene.is_back().await);

    servers.run(&["freeze", "postgres"]);
    println!("refused within {:?} while it is frozen", scene.is_refused_in_time().await);
    servers.run(&["thaw", "postgres"]);
    println!("back {:?} after a thaw", scene.is_back().await);
    // What hung has ended: as many connections are free as ever.
    let all = join_all((0..POOL).map(|_| scene.send("at once"))).await;
    assert!(all.iter().all(|status| *status == 201), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_survives_a_postgres_that_accepts_connections_and_says_nothing() {
    let database = Database::postgres();
    let mut url = url::Url::parse(&database.url()).expect("a URL");
    let proxy = Proxy::before(url.port().expect("a port"));
    url.set_port(Some(proxy.port())).expect("a port");
    let mut scene = Scene::set(url.as_str()).await;
    assert_eq!(scene.send("before").await, 201);
    scene.socket.next().await;

    proxy.fall_silent();
    println!("refused within {:?} while it is silent", scene.is_refused_in_time().await);
    let logged = |message: &str| scene.process.log().iter().filter(|line| line.contains(message)).count();
    assert_eq!(logged("\"database unavailable\""), 1, "once, and not for each request");
    assert_eq!(logged("database available again"), 0);
    proxy.speak_again();
    println!("back {:?} after its silence", scene.is_back().await);
    let logged = || scene.process.log().iter().any(|line| line.contains("database available again"));
    within(LIMIT, "its return is logged", async || logged()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_survives_that_its_connection_was_cut() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[("DATABASE_POOL_SIZE", "4")]);
    let count = |db: Db| async move {
        db.read(|conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query("SELECT 1"), conn)?)).await
    };
    join_all((0..4).map(|_| count(db.clone())))
        .await
        .into_iter()
        .for_each(|it| assert!(it.is_ok(), "{it:?}"));
    let name = scratch.database.text("current_database()");
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    for _ in 0..3 {
        scratch.database.execute(&cut);
        count(db.clone()).await.expect("asked again on a new connection");
        scratch.database.execute(&cut);
        let nothing = |_: &mut AnyConnection| Ok(());
        db.transaction(nothing, |outcome| outcome).await.expect("begun again on a new connection");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_connection_is_cut_midway_is_refused_and_not_repeated() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    scratch.add_user(1);
    let acts = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = acts.clone();
    let act = move |conn: &mut AnyConnection| {
        counting.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let cut = "SELECT pg_terminate_backend(pg_backend_pid())";
        Ok(diesel::RunQueryDsl::execute(diesel::sql_query(cut), conn)?)
    };
    refused(db.transaction(act, |outcome| outcome).await);
    assert_eq!(acts.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_return_of_a_database_is_told() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    let returns = db.recoveries();
    let before = *returns.borrow();
    let name = scratch.database.text("current_database()");
    let admin = std::env::var("TEST_POSTGRES_URL").expect("the database above was made there");
    let execute = |statement: &str| {
        let mut conn = <diesel::PgConnection as diesel::Connection>::establish(&admin).expect("it opens");
        diesel::connection::SimpleConnection::batch_execute(&mut conn, statement).expect("it obeys");
    };
    execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    db.read(|_| Ok(())).await.ok();
    let ask = || db.read(|conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query("SELECT 1"), conn)?));
    refused(ask().await);
    assert_eq!(*returns.borrow(), before);
    execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    within(LIMIT, "it answers", async || ask().await.is_ok()).await;
    assert_eq!(*returns.borrow(), before + 1);
}
