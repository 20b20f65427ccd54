//! Migrations: applied, reverted, applied again, and concurrently.

use std::process::Output;
use std::thread;

use numeneon::db;
use rstest_reuse::apply;
use tempfile::TempDir;

use super::schema;
use super::scratch::{Scratch, both_databases_blocking};
use crate::process::Program;
use crate::support::{Database, SECRET_KEY};

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
