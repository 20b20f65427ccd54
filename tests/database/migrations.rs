//! Migrations: applied, reverted, applied again, and concurrently.

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use numeneon::db;
use numeneon::settings::DatabaseUrl;
use rstest_reuse::apply;
use tempfile::TempDir;

use super::schema;
use super::scratch::{Scratch, both_databases_blocking};
use crate::process::Program;
use crate::support::wait::{SLACK, block_until};
use crate::support::{Database, SECRET_KEY, TIMEOUT};

#[apply(both_databases_blocking)]
fn migrations_can_be_applied_reverted_and_applied_again(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    let names = db::migrate(&scratch.settings).expect("applied");
    assert!(!names.is_empty());
    let first = schema::all(&scratch.database);
    assert_eq!(db::migrate(&scratch.settings).expect("nothing to apply"), Vec::<String>::new());

    let mut reverted = db::revert(&scratch.settings).expect("reverted");
    reverted.reverse();
    assert_eq!(reverted, names);
    assert_eq!(schema::columns(&scratch.database), [], "nothing is left");

    assert_eq!(db::migrate(&scratch.settings).expect("applied again"), names);
    assert_eq!(schema::all(&scratch.database), first);
}

#[apply(both_databases_blocking)]
fn reverting_migrations_deletes_all_rows(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("applied");
    scratch.add_user(1);
    assert_eq!(scratch.database.number("SELECT count(*) FROM inboxes"), 1);
    db::revert(&scratch.settings).expect("reverted, with rows that reference each other");
    db::migrate(&scratch.settings).expect("applied again");
    assert_eq!(scratch.database.number("SELECT count(*) FROM users"), 0);
}

#[apply(both_databases_blocking)]
fn migrations_create_the_schema_that_the_code_declares(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("applied");
    let mut found = schema::columns(&scratch.database);
    // Diesel lists the columns of each table in their order.
    found.sort_by(|left, right| left.table_name.cmp(&right.table_name));
    let declared = schema::declared();
    assert!(declared.len() > 30, "some columns are missing: {declared:?}");
    assert_eq!(found, declared);
}

#[apply(both_databases_blocking)]
fn concurrent_migrations_are_applied_once(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    for _ in 0..3 {
        let migrated: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| db::migrate(&scratch.settings))).collect();
            threads.into_iter().map(|it| it.join().expect("no panic").expect("migrated")).collect()
        });
        assert_eq!(
            migrated.iter().filter(|names| !names.is_empty()).count(),
            1,
            "one of them applied the migrations"
        );
        db::revert(&scratch.settings).expect("reverted");
    }
}

#[apply(both_databases_blocking)]
fn concurrent_processes_that_migrate_all_succeed(database: Database) {
    let folder = TempDir::new().expect("a folder");
    let program =
        Program::in_folder(&folder).with("DATABASE_URL", &database.url()).with("SECRET_KEY", SECRET_KEY);
    let outputs: Vec<Output> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| program.run(&["migrate"]))).collect();
        threads.into_iter().map(|it| it.join().expect("no panic")).collect()
    });
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(schema::columns(&database), schema::declared());
}

#[apply(both_databases_blocking)]
fn a_migration_that_fails_changes_nothing(database: Database) {
    let scratch = Scratch::empty(database, &[]);
    // The last table of the first migration exists already.
    scratch.database.execute("CREATE TABLE inbox_events (something TEXT)");
    let before = schema::all(&scratch.database);
    db::migrate(&scratch.settings).expect_err("the table exists already");
    let after = schema::all(&scratch.database);
    let of_diesel = |line: &&String| line.contains("__diesel_schema_migrations");
    assert_eq!(
        after.iter().filter(|line| !of_diesel(line)).collect::<Vec<_>>(),
        before.iter().collect::<Vec<_>>()
    );
    scratch.database.execute("DROP TABLE inbox_events");
    assert!(!db::migrate(&scratch.settings).expect("the table does not exist any more").is_empty());
}

#[test]
fn a_migration_that_waits_for_a_reader_lets_others_pass() {
    let scratch = Scratch::empty(Database::postgres(), &[]);
    db::migrate(&scratch.settings).expect("applied");
    let version = "20261123000000";
    scratch.database.execute(&format!(
        "ALTER TABLE users DROP COLUMN tokens_valid_from; DROP TABLE spent_tokens, idempotency_keys; \
         DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"
    ));
    // As pg_dump does, for as long as it runs.
    let url = scratch.database.url();
    let mut reader = PgConnection::establish(&url).expect("a connection");
    reader.batch_execute("BEGIN; SELECT FROM users").expect("a lock");
    thread::scope(|scope| {
        let migrating = scope.spawn(|| db::migrate(&scratch.settings));
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND query LIKE '%tokens_valid_from%'";
        block_until(TIMEOUT, "the migration waits", || scratch.database.number(&format!("({waiting})")) > 0);
        // Without a bound it would wait as long as the reader, and so would whoever comes after it.
        let started = Instant::now();
        let mut other = PgConnection::establish(&url).expect("a connection");
        other.batch_execute("SET statement_timeout = 0; SELECT FROM users").expect("a reader passes");
        assert!(started.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", started.elapsed());
        assert!(!migrating.is_finished(), "it tries again");
        reader.batch_execute("COMMIT").expect("the lock is released");
        assert_eq!(migrating.join().expect("no panic").expect("migrated"), [version]);
    });
}

#[test]
fn without_a_pending_migration_a_role_needs_no_right_to_create() {
    let scratch = Scratch::empty(Database::postgres(), &[]);
    let name = scratch.database.text("current_database()");
    let role = format!("limited_{name}");
    db::migrate(&scratch.settings).expect("applied");
    scratch.database.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE {role} LOGIN PASSWORD 'limited'; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let mut url = url::Url::parse(&scratch.database.url()).expect("a URL");
    url.set_username(&role).expect("a user name");
    url.set_password(Some("limited")).expect("a password");
    let mut settings = scratch.settings.clone();
    settings.url = DatabaseUrl::parse(url.as_str()).expect("a URL");
    assert_eq!(db::migrate(&settings).expect("nothing to do"), Vec::<String>::new());
    scratch.database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
