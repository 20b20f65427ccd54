//! Migrations: up, down and up again, by many at once, to the schema of this build.

use std::process::Output;
use std::thread;

use numeneon::db;
use rstest::rstest;
use tempfile::TempDir;

use super::schema;
use super::scratch::Scratch;
use crate::process::Program;
use crate::support::{Database, SECRET_KEY};

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn migrations_go_up_down_and_up_again(#[case] database: Database) {
    let scratch = Scratch::empty(database, &[]);
    let names = db::migrate(&scratch.settings).expect("up");
    assert!(!names.is_empty());
    let first = schema::all(&scratch.database);
    assert_eq!(db::migrate(&scratch.settings).expect("nothing left to do"), Vec::<String>::new());

    let mut back = db::revert(&scratch.settings).expect("down");
    back.reverse();
    assert_eq!(back, names);
    assert_eq!(schema::columns(&scratch.database), [], "nothing is left");

    assert_eq!(db::migrate(&scratch.settings).expect("up again"), names);
    assert_eq!(schema::all(&scratch.database), first);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn what_was_kept_is_gone_after_going_down(#[case] database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("up");
    scratch.add_user(1);
    assert_eq!(scratch.database.number("SELECT count(*) FROM inboxes"), 1);
    db::revert(&scratch.settings).expect("down, with rows that refer to each other");
    db::migrate(&scratch.settings).expect("up again");
    assert_eq!(scratch.database.number("SELECT count(*) FROM users"), 0);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn both_lead_to_the_schema_that_the_code_is_written_for(#[case] database: Database) {
    let scratch = Scratch::empty(database, &[]);
    db::migrate(&scratch.settings).expect("up");
    let mut found = schema::columns(&scratch.database);
    // Diesel lists a key's columns and the others in the order of the table.
    found.sort_by(|left, right| left.table_name.cmp(&right.table_name));
    let stated = schema::stated();
    assert!(stated.len() > 30, "these are not all columns: {stated:?}");
    assert_eq!(found, stated);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn instances_that_start_at_once_do_not_fight(#[case] database: Database) {
    let scratch = Scratch::empty(database, &[]);
    for _ in 0..3 {
        let migrated: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| db::migrate(&scratch.settings))).collect();
            threads.into_iter().map(|it| it.join().expect("no panic").expect("migrated")).collect()
        });
        assert_eq!(migrated.iter().filter(|names| !names.is_empty()).count(), 1, "one of them did it");
        db::revert(&scratch.settings).expect("down");
    }
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn processes_that_migrate_at_once_all_succeed(#[case] database: Database) {
    let folder = TempDir::new().expect("a folder");
    let program =
        Program::within(&folder).with("DATABASE_URL", &database.url()).with("SECRET_KEY", SECRET_KEY);
    let outputs: Vec<Output> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| program.run(&["migrate"]))).collect();
        threads.into_iter().map(|it| it.join().expect("no panic")).collect()
    });
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(schema::columns(&database), schema::stated());
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn a_migration_that_fails_leaves_nothing_behind(#[case] database: Database) {
    let scratch = Scratch::empty(database, &[]);
    // The last table of the first migration is there already.
    scratch.database.execute("CREATE TABLE inbox_events (something TEXT)");
    let before = schema::all(&scratch.database);
    db::migrate(&scratch.settings).expect_err("the table is in the way");
    let after = schema::all(&scratch.database);
    let of_diesel = |line: &&String| line.contains("__diesel_schema_migrations");
    assert_eq!(
        after.iter().filter(|line| !of_diesel(line)).collect::<Vec<_>>(),
        before.iter().collect::<Vec<_>>()
    );
    scratch.database.execute("DROP TABLE inbox_events");
    assert!(!db::migrate(&scratch.settings).expect("the way is free").is_empty());
}
