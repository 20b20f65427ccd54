//! What a transaction keeps, and when it keeps nothing.

use std::sync::{Arc, Mutex, mpsc};

use diesel::prelude::*;
use numeneon::db::schema::{inbox_events, inboxes};
use numeneon::db::{AnyConnection, Db};
use numeneon::error::{Error, Result};
use numeneon::ids::UserId;
use numeneon::timestamp::Timestamp;
use rstest::rstest;

use super::scratch::Scratch;
use super::timeouts::refused;
use crate::support::{Database, LIMIT};
use crate::wait::within;

const USER: UserId = UserId::new(1);

fn raise(conn: &mut AnyConnection) -> Result<i64> {
    let raised = diesel::update(inboxes::table.find(USER)).set(inboxes::last_seq.eq(inboxes::last_seq + 1));
    Ok(raised.returning(inboxes::last_seq).get_result(conn)?)
}

async fn last_seq(db: &Db) -> i64 {
    db.read(|conn| Ok(inboxes::table.find(USER).select(inboxes::last_seq).first(conn)?))
        .await
        .expect("an inbox")
}

/// A database with a user who has an inbox.
fn stage(database: Database) -> (Scratch, Db) {
    let (scratch, db) =
        Scratch::migrated(database, &[("DATABASE_POOL_SIZE", "4"), ("DATABASE_WAIT_MS", "20000")]);
    scratch.add_user(USER.number());
    (scratch, db)
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_fails_keeps_nothing(#[case] database: Database) {
    let (_scratch, db) = stage(database);
    let fails = |conn: &mut AnyConnection| {
        raise(conn)?;
        Err::<(), _>(Error::rule("no"))
    };
    let answer = db.transaction(fails, |outcome| outcome).await;
    assert!(matches!(answer, Err(Error::Rejected(..))), "{answer:?}");
    assert_eq!(last_seq(&db).await, 0);
    assert_eq!(db.transaction(raise, |outcome| outcome).await.expect("committed"), 1);
    assert_eq!(last_seq(&db).await, 1);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_panics_keeps_nothing_and_frees_its_lock(#[case] database: Database) {
    let (_scratch, db) = stage(database);
    for _ in 0..6 {
        let panics = |conn: &mut AnyConnection| -> Result<()> {
            raise(conn)?;
            panic!("in the midst of a transaction");
        };
        let answer = db.transaction(panics, |outcome| outcome).await;
        assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
    }
    assert_eq!(last_seq(&db).await, 0);
    assert_eq!(db.transaction(raise, |outcome| outcome).await.expect("nobody holds the lock"), 1);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_carried_through_when_its_caller_has_gone(#[case] database: Database) {
    let (_scratch, db) = stage(database);
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let told = Arc::new(Mutex::new(None));
    let telling = told.clone();
    let caller = tokio::spawn({
        let db = db.clone();
        async move {
            let act = move |conn: &mut AnyConnection| {
                begun.blocking_send(()).expect("the test waits for it");
                goes_on.lock().expect("no panic while locked").recv().expect("told to go on");
                raise(conn)
            };
            let then = move |outcome: Result<i64>| {
                *telling.lock().expect("no panic while locked") = outcome.as_ref().ok().copied();
                outcome
            };
            db.transaction(act, then).await
        }
    });
    begins.recv().await.expect("it has begun");
    caller.abort();
    assert!(caller.await.expect_err("it has gone").is_cancelled());
    go_on.send(()).expect("the transaction waits");
    within(LIMIT, "what follows a commit has followed", async || *told.lock().expect("no panic") == Some(1))
        .await;
    assert_eq!(last_seq(&db).await, 1);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_refused_is_not_done_later(#[case] database: Database) {
    let given = [("DATABASE_STATEMENT_TIMEOUT_MS", "500"), ("DATABASE_WAIT_MS", "20000")];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(USER.number());
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let ended = Arc::new(Mutex::new(false));
    let ending = ended.clone();
    let act = move |conn: &mut AnyConnection| {
        let raised = raise(conn);
        // As in a database that hangs.
        goes_on.lock().expect("no panic while locked").recv().expect("told to go on");
        raised
    };
    let then = move |outcome: Result<i64>| {
        *ending.lock().expect("no panic while locked") = true;
        outcome
    };
    refused(db.transaction(act, then).await);
    go_on.send(()).expect("the transaction hangs");
    within(LIMIT, "it has ended", async || *ended.lock().expect("no panic")).await;
    assert_eq!(last_seq(&db).await, 0, "the client was told to try again");
    assert_eq!(db.transaction(raise, |outcome| outcome).await.expect("it holds no lock"), 1);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_nobody_is_refused(#[case] database: Database) {
    let (_scratch, db) = stage(database);
    let orphan = |conn: &mut AnyConnection| {
        let row = (
            inbox_events::user_id.eq(UserId::new(404)),
            inbox_events::seq.eq(1),
            inbox_events::type_.eq("new_message"),
            inbox_events::data.eq("{}"),
            inbox_events::created_at.eq(Timestamp::now()),
        );
        Ok(diesel::insert_into(inbox_events::table).values(row).execute(conn)?)
    };
    let answer = db.transaction(orphan, |outcome| outcome).await;
    assert!(matches!(answer, Err(Error::Internal(_))), "foreign keys are on: {answer:?}");
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_transactions_each_get_a_number_of_their_own(#[case] database: Database) {
    const WRITERS: usize = 50;
    let (_scratch, db) = stage(database);
    let writers = (0..WRITERS).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.transaction(raise, |outcome| outcome).await })
    });
    let numbers = futures_util::future::join_all(writers).await.into_iter();
    let mut numbers: Vec<i64> = numbers.map(|it| it.expect("no panic").expect("committed")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=i64::try_from(WRITERS).expect("few")));
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_reads_back_as_it_was_written(#[case] database: Database) {
    let (_scratch, db) = stage(database);
    let now = Timestamp::now();
    let keep = move |conn: &mut AnyConnection| {
        let row = (
            inbox_events::user_id.eq(USER),
            inbox_events::seq.eq(1),
            inbox_events::type_.eq("new_message"),
            inbox_events::data.eq("{}"),
            inbox_events::created_at.eq(now),
        );
        Ok(diesel::insert_into(inbox_events::table).values(row).execute(conn)?)
    };
    db.transaction(keep, |outcome| outcome).await.expect("kept");
    let kept =
        db.read(|conn| Ok(inbox_events::table.select(inbox_events::created_at).first::<Timestamp>(conn)?));
    assert_eq!(kept.await.expect("read"), now);
}
