//! SQLite files that an operator replaces, deletes or restores: nothing is acknowledged that is not
//! in the file at the database's path, and every client of before resyncs.

use std::fs;
use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::support::wait::until;
use crate::support::{Person, SECRET_KEY, Socket};

/// A process and its file. Bob has a socket.
struct Fixture {
    program: Program,
    process: Process,
    ada: Person,
    bob: Person,
    socket: Socket,
    folder: TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let program = Program::in_folder(&folder).with_all(&[
            ("PORT", "0"),
            ("SECRET_KEY", SECRET_KEY),
            // Nothing but the replacement makes sessions look at their inboxes.
            ("POSITION_CHECK_SECONDS", "3600"),
        ]);
        let process = program.start();
        let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
        let socket = process.handshake(&bob).open().await;
        Self { program, process, ada, bob, socket, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends messages, which Bob's socket receives. Returns the last number.
    async fn send(&mut self, count: usize) -> i64 {
        let mut last = 0;
        for _ in 0..count {
            self.process.message(&self.ada, &self.bob, "hello").await.is(201);
            last = self.socket.next().await["seq"].as_i64().expect("a number");
        }
        last
    }

    fn back_up(&self) {
        let mut conn = SqliteConnection::establish(&self.file("numeneon.sqlite3").to_string_lossy())
            .expect("a connection");
        let copy = self.file("copy.sqlite3");
        conn.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).expect("a copy");
    }

    /// Checks that a client that has an event of before resyncs.
    async fn resyncs(&self, cursor: i64) {
        let mut socket = self.process.handshake(&self.bob).query("cursor", &cursor.to_string()).open().await;
        assert_eq!(socket.next().await["type"], "resync_required");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_while_it_is_open_is_used_at_once_with_other_numbers() {
    let mut fixture = Fixture::start().await;
    fixture.send(3).await;
    fixture.back_up();
    let last = fixture.send(5).await;
    fs::rename(fixture.file("copy.sqlite3"), fixture.file("numeneon.sqlite3")).expect("replaced");
    // Whatever is acknowledged from now on is in the new file. Nobody has to send anything for the
    // replacement to be noticed.
    let resync = fixture.socket.next().await;
    assert_eq!(resync["type"], "resync_required");
    assert!(resync["seq"].as_i64() > Some(last), "{resync}");
    assert!(fixture.send(1).await > last);
    fixture.resyncs(last).await;
    let messages = fixture.process.request("GET", "/api/messages/").by(&fixture.bob).await.is(200);
    assert_eq!(messages.as_array().expect("a list").len(), 4);
    let Fixture { program, mut process, ada, folder, .. } = fixture;
    process.terminate();
    assert!(process.exited().success());
    let restarted = program.start();
    let messages = restarted.request("GET", "/api/messages/").by(&ada).await.is(200);
    assert_eq!(messages.as_array().expect("a list").len(), 4, "all of them are in the file");
    drop(folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_once_the_file_is_deleted() {
    let mut fixture = Fixture::start().await;
    fixture.send(1).await;
    fs::rename(fixture.file("numeneon.sqlite3"), fixture.file("moved.sqlite3")).expect("moved");
    for _ in 0..3 {
        assert_eq!(fixture.process.message(&fixture.ada, &fixture.bob, "lost").await.status, 503);
    }
    assert!(!fixture.file("numeneon.sqlite3").exists(), "no empty file takes its place");
    fs::rename(fixture.file("moved.sqlite3"), fixture.file("numeneon.sqlite3")).expect("moved back");
    let sent = async || fixture.process.message(&fixture.ada, &fixture.bob, "kept").await.status == 201;
    until("messages are accepted again", sent).await;
    assert_eq!(fixture.socket.next().await["data"]["content"], "kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_restored_before_the_start_is_recognised_by_one_missing_transaction() {
    let mut fixture = Fixture::start().await;
    fixture.send(3).await;
    fixture.back_up();
    // A restart with the same file changes nothing.
    fixture.process.kill();
    fixture.process = fixture.program.start();
    fixture.socket = fixture.process.handshake(&fixture.bob).query("cursor", "3").open().await;
    let last = fixture.send(1).await;
    assert_eq!(last, 4);
    fixture.process.kill();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(fixture.file(&format!("numeneon.sqlite3{suffix}")));
    }
    // In place, as `cp` does it.
    fs::copy(fixture.file("copy.sqlite3"), fixture.file("numeneon.sqlite3")).expect("restored");
    fixture.process = fixture.program.start();
    fixture.resyncs(last).await;
    fixture.socket = fixture.process.handshake(&fixture.bob).open().await;
    assert!(fixture.send(1).await > last);
}
