//! Restores and failovers of PostgreSQL: whoever was served before resyncs, and the service goes on
//! by itself.

use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::private_servers::PrivateServers;
use crate::process::{Process, Program};
use crate::support::wait::{Promises, until};
use crate::support::{Person, SECRET_KEY, Socket};

/// Connections, all of which hang when the server does.
const POOL: usize = 4;

/// After the promotion of a standby, as the settings below have it: the calls that hang (2.5 s), a
/// new connection that first tries the host that hangs (2 s), and a second to notice.
const SWITCHED: Duration = Duration::from_secs(8);

const SETTINGS: [(&str, &str); 9] = [
    ("PORT", "0"),
    ("WORKERS", "1"),
    ("SECRET_KEY", SECRET_KEY),
    ("DATABASE_POOL_SIZE", "4"),
    ("DATABASE_WAIT_MS", "1000"),
    ("DATABASE_CONNECT_TIMEOUT_SECONDS", "2"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
    ("DATABASE_LOCK_TIMEOUT_MS", "2000"),
    // Nothing but the change of the database makes sessions look at their inboxes.
    ("POSITION_CHECK_SECONDS", "3600"),
];

struct Fixture {
    program: Program,
    process: Process,
    ada: Person,
    bob: Person,
    socket: Socket,
    _folder: TempDir,
}

impl Fixture {
    async fn start(servers: &PrivateServers) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = servers.database_url();
        let program = Program::in_folder(&folder).with_all(&SETTINGS).with("DATABASE_URL", url);
        let process = program.start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        let socket = process.handshake(&bob).open().await;
        Self { program, process, ada, bob, socket, _folder: folder }
    }

    /// Sends messages at the same time, which Bob's socket receives. Returns the last number.
    async fn send(&mut self, count: usize) -> i64 {
        let sending = (0..count).map(|_| self.process.message(&self.ada, &self.bob, "hello"));
        for response in join_all(sending).await {
            response.is(201);
        }
        self.socket.next_many(count).await[count - 1]["seq"].as_i64().expect("a number")
    }

    /// Checks that the open socket resyncs and goes on, and that one that returns resyncs too.
    async fn resyncs(&mut self, cursor: i64) -> i64 {
        let resync = self.socket.next().await;
        assert_eq!(resync["type"], "resync_required", "{resync}");
        let last = resync["seq"].as_i64().expect("a number");
        assert!(last - cursor > 1 << 19, "{cursor}, then {last}");
        assert_eq!(self.send(1).await, last + 1);
        let mut returned =
            self.process.handshake(&self.bob).query("cursor", &cursor.to_string()).open().await;
        assert_eq!(returned.next().await["type"], "resync_required");
        last + 1
    }

    fn has_logged(&self, text: &str) -> bool {
        self.process.log().iter().any(|line| line.contains(text))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_dump_is_restored_every_client_of_before_resyncs() {
    let servers = PrivateServers::start();
    let mut fixture = Fixture::start(&servers).await;
    assert_eq!(fixture.send(3).await, 3);
    servers.run(&["postgres-dump"]);
    assert_eq!(fixture.send(4).await, 7);
    // While the service runs, whose connections stay open.
    servers.run(&["postgres-restore"]);
    let last = fixture.resyncs(7).await;
    assert!(fixture.has_logged("the numbers of events are lifted"));

    // While it does not run.
    fixture.process.terminate();
    fixture.process.exited();
    servers.run(&["postgres-restore"]);
    fixture.process = fixture.program.start();
    let mut returned =
        fixture.process.handshake(&fixture.bob).query("cursor", &last.to_string()).open().await;
    assert!(returned.greeting["seq"].as_i64() > Some(last), "numbers are never given out again");
    assert_eq!(returned.next().await["type"], "resync_required");

    // What nobody but an operator knows of.
    fixture.socket = fixture.process.handshake(&fixture.bob).open().await;
    let last = fixture.send(1).await;
    let output = fixture.program.run(&["lift-numbers"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("the numbers of all events are above "));
    fixture.resyncs(last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_loses_commits_is_survived_and_every_client_of_before_resyncs() {
    let servers = PrivateServers::start_with_standby();
    let mut fixture = Fixture::start(&servers).await;
    assert_eq!(fixture.send(3).await, 3);
    servers.run(&["postgres-cut"]);
    let last = fixture.send(4).await;
    servers.run(&["postgres-kill"]);
    assert_eq!(fixture.process.message(&fixture.ada, &fixture.bob, "no primary").await.status, 503);
    servers.run(&["postgres-promote"]);
    fixture.resyncs(last).await;
    let messages = fixture.process.request("GET", "/api/messages/").by(&fixture.bob).await.is(200);
    assert_eq!(messages.as_array().expect("a list").len(), 4, "four were lost with the primary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_does_not_hold_the_instance_nor_is_it_used_when_it_returns() {
    Promises::check(async |promises| {
        let servers = PrivateServers::start_with_standby();
        let mut fixture = Fixture::start(&servers).await;
        fixture.send(3 * POOL).await;
        servers.run(&["freeze", "postgres"]);
        // As many calls as there are connections hang, and then as many again.
        for _ in 0..2 {
            let sending =
                (0..POOL).map(|_| fixture.process.request("GET", "/api/messages/").by(&fixture.bob));
            for response in join_all(sending.map(IntoFuture::into_future)).await {
                assert_eq!(response.status, 503);
            }
        }
        servers.run(&["postgres-promote"]);
        let sent = async || {
            let response = fixture.process.message(&fixture.ada, &fixture.bob, "to the new primary").await;
            assert!(matches!(response.status, 201 | 503), "{response:?}");
            response.status == 201
        };
        let elapsed = promises.until_within(SWITCHED, "messages go to the new primary", sent).await;
        println!("messages go to the new primary {elapsed:?} after its promotion");
        assert_eq!(fixture.socket.next().await["type"], "resync_required");
        // The old one, which comes first in the URL, accepts writes again and knows of nothing.
        servers.run(&["thaw-standby"]);
        for _ in 0..20 {
            let responses =
                join_all((0..POOL).map(|_| fixture.process.message(&fixture.ada, &fixture.bob, "x")));
            for response in responses.await {
                response.is(201);
            }
        }
        until("all of them are in the new primary", async || {
            let page = fixture.process.request("GET", "/api/messages/").by(&fixture.bob).await;
            page.status == 200 && page.json().as_array().is_some_and(|list| list.len() > 20 * POOL)
        })
        .await;
    })
    .await;
}
