//! Outages of PostgreSQL, which is restarted, killed, frozen, or does not reply: requests fail
//! within a bounded time, threads do not accumulate, sockets stay open, and the service recovers
//! soon after the database.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use numeneon::db::{AnyConnection, Db, End};
use tempfile::TempDir;
use tokio::time::interval;

use super::scratch::Scratch;
use super::timeouts::refused;
use crate::private_servers::PrivateServers;
use crate::process::{Process, Program};
use crate::proxy::Proxy;
use crate::support::wait::{Promises, until};
use crate::support::{Database, Person, SECRET_KEY, Socket};

/// The service promises to have recovered two seconds after its database.
const RECOVERED: Duration = Duration::from_secs(2);

/// Connections, and so the number of threads that can wait for the database.
const POOL: usize = 8;

/// Requests during an outage: batches of so many each.
const BATCHES: usize = 3;
const BATCH: usize = 10;

const SETTINGS: [(&str, &str); 9] = [
    ("PORT", "0"),
    ("WORKERS", "1"),
    ("SECRET_KEY", SECRET_KEY),
    ("DATABASE_POOL_SIZE", "8"),
    ("DATABASE_WAIT_MS", "1000"),
    ("DATABASE_CONNECT_TIMEOUT_SECONDS", "2"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "3000"),
    ("DATABASE_LOCK_TIMEOUT_MS", "3000"),
    ("RUST_BACKTRACE", "1"),
];

/// How long a request may take, whatever the database does. It makes two calls, for the token
/// and for the message. Each waits a second for a connection that others use, and then either
/// opens one (2 s, and one to which libpq may round up) or executes statements (3 s and half a
/// second). After a failure nothing more is tried, so the longest request is one whose first call
/// succeeds late and whose second one hangs.
const RESPONDED: Duration = Duration::from_millis(1_000 + 3_000 + 1_000 + 3_500);

/// Two people, one of whom has a socket.
struct Fixture {
    process: Process,
    ada: Person,
    bob: Person,
    socket: Socket,
    promises: Promises,
    _folder: TempDir,
}

impl Fixture {
    async fn start(database_url: &str, promises: &Promises) -> Self {
        let folder = TempDir::new().expect("a folder");
        let program = Program::in_folder(&folder).with_all(&SETTINGS).with("DATABASE_URL", database_url);
        let process = program.start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        let socket = process.handshake(&bob).open().await;
        Self { process, ada, bob, socket, promises: promises.clone(), _folder: folder }
    }

    async fn send(&self, content: &str) -> u16 {
        let started = Instant::now();
        let response = self.process.message(&self.ada, &self.bob, content).await;
        let elapsed = started.elapsed();
        assert!(matches!(response.status, 201 | 503), "{response:?}");
        assert_eq!(response.status == 503, response.header("retry-after").is_some());
        self.promises.note(RESPONDED, "a request gets a response", elapsed);
        response.status
    }

    /// Sends several times as many messages as there are connections, and checks that all fail in
    /// time and that threads do not accumulate. Returns how long the slowest batch took.
    async fn fails_in_time(&self) -> Duration {
        let threads = self.process.threads();
        let started = Instant::now();
        let mut longest = Duration::ZERO;
        let mut pause = interval(Duration::from_millis(300));
        let mut batches = Vec::new();
        while started.elapsed() < Duration::from_secs(4) {
            pause.tick().await;
            batches.push(async {
                let started = Instant::now();
                let statuses = join_all((0..BATCH).map(|_| self.send("during the outage"))).await;
                assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
                started.elapsed()
            });
            if batches.len() == BATCHES {
                let elapsed = join_all(batches.drain(..)).await;
                longest = elapsed.into_iter().fold(longest, Duration::max);
                let now = self.process.threads();
                // A thread that waits for the database holds a connection, of the pool or beside it;
                // other threads are there for the requests.
                assert!(now <= threads + 2 * POOL + BATCHES * BATCH, "{now} threads, and {threads} before");
            }
        }
        self.process.request("GET", "/healthz").await.is(200);
        self.process.request("GET", "/readyz").await.is(503);
        longest
    }

    /// Checks that the service recovers by itself, and that the socket is still open.
    async fn recovers(&mut self) -> Duration {
        let sent = async || self.send("after the outage").await == 201;
        let recovered = self.promises.until_within(RECOVERED, "messages are accepted", sent).await;
        let ready = async || self.process.request("GET", "/readyz").await.status == 200;
        self.promises.until_within(RECOVERED, "the process is ready", ready).await;
        assert_eq!(self.socket.next().await["data"]["content"], "after the outage");
        recovered
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_survives_a_postgres_that_is_restarted_killed_and_frozen() {
    Promises::check(async |promises| {
        let servers = PrivateServers::start();
        let mut fixture = Fixture::start(servers.database_url(), &promises).await;
        for _ in 0..3 {
            assert_eq!(fixture.send("before").await, 201);
            fixture.socket.next().await;
        }

        servers.run(&["postgres-restart"]);
        println!("recovered {:?} after a restart", fixture.recovers().await);

        servers.run(&["postgres-kill"]);
        println!("failed within {:?} while it is down", fixture.fails_in_time().await);
        servers.run(&["postgres-start"]);
        println!("recovered {:?} after a crash", fixture.recovers().await);

        servers.run(&["freeze", "postgres"]);
        println!("failed within {:?} while it is frozen", fixture.fails_in_time().await);
        servers.run(&["thaw", "postgres"]);
        println!("recovered {:?} after a thaw", fixture.recovers().await);
        // The calls that hung have ended: every connection is free again.
        let statuses = join_all((0..POOL).map(|_| fixture.send("concurrently"))).await;
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_survives_a_postgres_that_accepts_connections_and_does_not_reply() {
    Promises::check(async |promises| {
        let database = Database::postgres();
        let mut url = url::Url::parse(&database.url()).expect("a URL");
        let proxy = Proxy::to(url.port().expect("a port"));
        url.set_port(Some(proxy.port())).expect("a port");
        let mut fixture = Fixture::start(url.as_str(), &promises).await;
        assert_eq!(fixture.send("before").await, 201);
        fixture.socket.next().await;

        proxy.hang();
        println!("failed within {:?} while it hangs", fixture.fails_in_time().await);
        let logged =
            |message: &str| fixture.process.log().iter().filter(|line| line.contains(message)).count();
        assert_eq!(logged("\"database unavailable\""), 1, "once, and not for each request");
        assert_eq!(logged("database available again"), 0);
        proxy.stop_hanging();
        println!("recovered {:?} after it replies again", fixture.recovers().await);
        let logged = || fixture.process.log().iter().any(|line| line.contains("database available again"));
        until("its return is logged", async || logged()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_on_a_closed_connection_is_repeated_on_a_new_one() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[("DATABASE_POOL_SIZE", "4")]);
    let count = |db: Db| async move {
        db.read(|conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query("SELECT 1"), conn)?)).await
    };
    join_all((0..4).map(|_| count(db.clone())))
        .await
        .into_iter()
        .for_each(|it| assert!(it.is_ok(), "{it:?}"));
    let name = scratch.database.text("current_database()");
    let disconnect = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    for _ in 0..3 {
        scratch.database.execute(&disconnect);
        count(db.clone()).await.expect("the read is repeated on a new connection");
        scratch.database.execute(&disconnect);
        let nothing = |_: &mut AnyConnection| Ok(());
        db.transaction(nothing, End::into_result).await.expect("the transaction begins on a new connection");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_connection_is_closed_midway_fails_and_is_not_repeated() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    scratch.add_user(1);
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = executions.clone();
    let transaction = move |conn: &mut AnyConnection| {
        counting.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let disconnect = "SELECT pg_terminate_backend(pg_backend_pid())";
        Ok(diesel::RunQueryDsl::execute(diesel::sql_query(disconnect), conn)?)
    };
    refused(db.transaction(transaction, End::into_result).await);
    assert_eq!(executions.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_return_of_the_database_is_reported() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    let recoveries = db.recoveries();
    let before = *recoveries.borrow();
    let name = scratch.database.text("current_database()");
    let admin = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL is set");
    let execute = |statement: &str| {
        let mut conn = <diesel::PgConnection as diesel::Connection>::establish(&admin).expect("a connection");
        diesel::connection::SimpleConnection::batch_execute(&mut conn, statement)
            .expect("the statement is executed");
    };
    execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    db.read(|_| Ok(())).await.ok();
    let query = || db.read(|conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query("SELECT 1"), conn)?));
    refused(query().await);
    assert_eq!(*recoveries.borrow(), before);
    execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    until("the database replies", async || query().await.is_ok()).await;
    assert_eq!(*recoveries.borrow(), before + 1);
}
