//! The rows of `conversations`: always what the messages say, whoever writes them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use numeneon::db;
use rstest_reuse::apply;

use super::scratch::{Scratch, both_databases_blocking};
use crate::support::Database;
use crate::support::wait::{TIMEOUT, block_until};

/// The rows that the messages say there should be.
const COUNTED: &str = "SELECT CASE WHEN sender_id < receiver_id THEN sender_id ELSE receiver_id END AS low_id, \
    CASE WHEN sender_id < receiver_id THEN receiver_id ELSE sender_id END AS high_id, MAX(id) AS last_message_id, \
    SUM(CASE WHEN NOT is_read AND receiver_id <= sender_id THEN 1 ELSE 0 END) AS low_unread, \
    SUM(CASE WHEN NOT is_read AND receiver_id >= sender_id THEN 1 ELSE 0 END) AS high_unread \
    FROM messages GROUP BY 1, 2";

const KEPT: &str = "SELECT low_id, high_id, last_message_id, low_unread, high_unread FROM conversations";

#[track_caller]
fn assert_exact(database: &Database, when: &str) {
    for (one, other, what) in [(COUNTED, KEPT, "missing or wrong"), (KEPT, COUNTED, "too many or wrong")] {
        let wrong = database.number(&format!(
            "SELECT count(*) FROM (SELECT * FROM ({one}) AS one EXCEPT SELECT * FROM ({other}) AS other) AS wrong"
        ));
        assert_eq!(wrong, 0, "{when}: rows that are {what}");
    }
}

/// The migrations that came before conversations were rows.
const EARLIER: &[(&str, &str)] = &[
    ("20261122000000", "2026-11-22-000000_first_schema"),
    ("20261123000000", "2026-11-23-000000_ends_and_services"),
];

/// A database as the version before left it, with this many users.
fn earlier_schema(database: Database, users: i64) -> Scratch {
    let scratch = Scratch::empty(database, &[]);
    let backend = if scratch.database.url().starts_with("sqlite") { "sqlite" } else { "postgres" };
    scratch.database.execute(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    for (version, name) in EARLIER {
        let path = format!("{}/migrations/{backend}/{name}/up.sql", env!("CARGO_MANIFEST_DIR"));
        scratch.database.execute(&std::fs::read_to_string(path).expect("a migration"));
        scratch
            .database
            .execute(&format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"));
    }
    add_users(&scratch.database, users);
    scratch
}

/// Counts from 1 to `last` in both databases.
fn series(last: i64) -> String {
    format!("WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {last}) ")
}

fn add_users(database: &Database, users: i64) {
    database.execute(&format!(
        "INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined) \
         {} SELECT 'user' || n, 'user' || n, 'user' || n, '', '', '', '', CURRENT_TIMESTAMP FROM series",
        series(users)
    ));
}

/// Inserts messages between neighbours, in one statement; one in seven is to oneself, and one
/// in three is unread.
fn insert_messages(count: i64, users: i64) -> String {
    format!(
        "INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at) {} \
         SELECT 1 + n % {users}, 1 + (n + n % 7) % {users}, 'text', n % 3 <> 0, CURRENT_TIMESTAMP FROM series",
        series(count)
    )
}

/// Something that changes messages of a few users.
fn random_statement(users: i64) -> String {
    let user = || fastrand::i64(1..=users);
    match fastrand::u8(0..12) {
        0..6 => format!(
            "INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at) \
             VALUES ({}, {}, 'one', {}, CURRENT_TIMESTAMP), ({}, {}, 'two', {}, CURRENT_TIMESTAMP)",
            user(),
            user(),
            fastrand::bool(),
            user(),
            user(),
            fastrand::bool()
        ),
        6 => format!(
            "UPDATE messages SET is_read = TRUE WHERE receiver_id = {} AND sender_id = {}",
            user(),
            user()
        ),
        7 => format!("UPDATE messages SET is_read = NOT is_read WHERE receiver_id = {}", user()),
        8 => format!("UPDATE messages SET content = 'other' WHERE sender_id = {}", user()),
        9 => format!("DELETE FROM messages WHERE sender_id = {} AND receiver_id = {}", user(), user()),
        10 => format!(
            "DELETE FROM messages WHERE id = (SELECT MAX(id) FROM messages WHERE sender_id = {})",
            user()
        ),
        _ => format!(
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE receiver_id = {} LIMIT 2)",
            user()
        ),
    }
}

#[apply(both_databases_blocking)]
fn conversations_follow_whatever_changes_messages(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("migrated");
    add_users(&scratch.database, 6);
    for _ in 0..150 {
        let statement = random_statement(6);
        scratch.database.execute(&statement);
        assert_exact(&scratch.database, &statement);
    }
    scratch.database.execute("DELETE FROM users WHERE id = 2");
    assert_exact(&scratch.database, "a user is deleted");
    assert!(scratch.database.number("SELECT count(*) FROM conversations") > 0, "the others' stay");
    scratch.database.execute("DELETE FROM messages");
    assert_eq!(scratch.database.number("SELECT count(*) FROM conversations"), 0);
}

#[apply(both_databases_blocking)]
#[should_panic(expected = "a message keeps its id, its sender and its receiver")]
fn a_message_keeps_its_sender(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("migrated");
    add_users(&scratch.database, 3);
    scratch.database.execute(&insert_messages(3, 3));
    scratch.database.execute("UPDATE messages SET sender_id = 1");
}

#[apply(both_databases_blocking)]
fn conversations_are_made_from_the_history(database: Database) {
    let scratch = earlier_schema(database, 2_500);
    scratch.database.execute(&insert_messages(20_000, 2_500));
    db::migrate(&scratch.settings).expect("migrated");
    assert!(scratch.database.number("SELECT count(*) FROM conversations") > 2_500);
    assert_exact(&scratch.database, "migrated");
}

/// Changes some messages, and returns how many statements have succeeded.
fn change_messages(conn: &mut PgConnection) -> usize {
    let mut succeeded = 0;
    for users in [3_500, 20] {
        match conn.batch_execute(&random_statement(users)) {
            Ok(()) => succeeded += 1,
            // Two that change the same messages in different orders.
            Err(error) => assert!(error.to_string().contains("deadlock"), "{error}"),
        }
    }
    succeeded
}

#[test]
fn conversations_are_exact_when_messages_change_during_the_migration() {
    let scratch = earlier_schema(Database::postgres(), 3_500);
    scratch.database.execute(&insert_messages(40_000, 3_500));
    let (url, is_migrated, changes) = (scratch.database.url(), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut conn = PgConnection::establish(&url).expect("a connection");
                while !is_migrated.load(Ordering::SeqCst) {
                    changes.fetch_add(change_messages(&mut conn), Ordering::SeqCst);
                }
            });
        }
        let migrated = db::migrate(&scratch.settings);
        is_migrated.store(true, Ordering::SeqCst);
        migrated.expect("migrated");
        assert!(changes.load(Ordering::SeqCst) > 0, "nothing changed meanwhile");
    });
    assert_exact(&scratch.database, "migrated beside writers");
}

#[test]
fn a_migration_that_was_killed_is_finished_by_the_next() {
    let scratch = earlier_schema(Database::postgres(), 2_500);
    scratch.database.execute(&insert_messages(20_000, 2_500));
    let mut locking = PgConnection::establish(&scratch.database.url()).expect("a connection");
    thread::scope(|scope| {
        // A lock on a user of the last part stops the migration there.
        locking.batch_execute("BEGIN; SELECT FROM users WHERE id = 2400 FOR UPDATE").expect("a lock");
        let migrating = scope.spawn(|| db::migrate(&scratch.settings));
        let waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        block_until(TIMEOUT, "the migration waits for the lock", || {
            scratch.database.number(&format!("SELECT count(*) {waiting}")) > 0
        });
        assert!(scratch.database.number("SELECT count(*) FROM conversations") > 0, "parts are committed");
        scratch.database.execute(&format!("SELECT pg_terminate_backend(pid) {waiting}"));
        migrating.join().expect("no panic").expect_err("killed");
        locking.batch_execute("COMMIT").expect("unlocked");
    });
    scratch.database.execute(&insert_messages(500, 2_500));
    db::migrate(&scratch.settings).expect("migrated");
    assert_exact(&scratch.database, "migrated at the second attempt");
}

#[test]
fn an_index_that_a_killed_migration_left_behind_is_built_anew() {
    let scratch = earlier_schema(Database::postgres(), 10);
    scratch.database.execute("CREATE INDEX messages_sender_id ON messages (sender_id, id)");
    scratch
        .database
        .execute("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'messages_sender_id'::regclass");
    db::migrate(&scratch.settings).expect("migrated");
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(scratch.database.number(invalid), 0);
    assert_eq!(
        scratch.database.number("SELECT count(*) FROM pg_indexes WHERE indexname = 'messages_sender_id'"),
        1
    );
}
