//! Transactions: what they commit, and when they are rolled back.

use std::sync::{Arc, Mutex, mpsc};

use diesel::prelude::*;
use numeneon::db::schema::{inbox_events, inboxes};
use numeneon::db::{AnyConnection, Db, End};
use numeneon::error::{Error, Result};
use numeneon::ids::UserId;
use numeneon::timestamp::Timestamp;
use rstest_reuse::apply;

use super::scratch::{Scratch, both_databases};
use super::timeouts::refused;
use crate::support::{Database, until};

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

/// Returns a database with a user who has an inbox.
fn fixture(database: Database) -> (Scratch, Db) {
    let (scratch, db) = Scratch::migrated(database, &[("DATABASE_POOL_SIZE", "4")]);
    scratch.add_user(USER.number());
    (scratch, db)
}

#[apply(both_databases)]
async fn a_transaction_that_fails_is_rolled_back(database: Database) {
    let (_scratch, db) = fixture(database);
    let fails = |conn: &mut AnyConnection| {
        raise(conn)?;
        Err::<(), _>(Error::rule("no"))
    };
    let response = db.transaction(fails, End::into_result).await;
    assert!(matches!(response, Err(Error::Rejected(..))), "{response:?}");
    assert_eq!(last_seq(&db).await, 0);
    assert_eq!(db.transaction(raise, End::into_result).await.expect("committed"), 1);
    assert_eq!(last_seq(&db).await, 1);
}

#[apply(both_databases)]
async fn a_transaction_that_panics_is_rolled_back_and_releases_its_lock(database: Database) {
    let (_scratch, db) = fixture(database);
    for _ in 0..6 {
        let panics = |conn: &mut AnyConnection| -> Result<()> {
            raise(conn)?;
            panic!("during a transaction");
        };
        let response = db.transaction(panics, End::into_result).await;
        assert!(matches!(response, Err(Error::Internal(_))), "{response:?}");
    }
    assert_eq!(last_seq(&db).await, 0);
    assert_eq!(db.transaction(raise, End::into_result).await.expect("no lock is held"), 1);
}

#[apply(both_databases)]
async fn a_transaction_whose_caller_is_cancelled_is_committed(database: Database) {
    let (_scratch, db) = fixture(database);
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let committed = Arc::new(Mutex::new(None));
    let committing = committed.clone();
    let caller = tokio::spawn({
        let db = db.clone();
        async move {
            let transaction = move |conn: &mut AnyConnection| {
                begun.blocking_send(()).expect("the test waits for it");
                goes_on.lock().expect("no panic while locked").recv().expect("the test continues it");
                raise(conn)
            };
            let then = move |end: End<i64>| {
                let outcome = end.into_result();
                *committing.lock().expect("no panic while locked") = outcome.as_ref().ok().copied();
                outcome
            };
            db.transaction(transaction, then).await
        }
    });
    begins.recv().await.expect("the transaction has begun");
    caller.abort();
    assert!(caller.await.expect_err("it was cancelled").is_cancelled());
    go_on.send(()).expect("the transaction waits");
    until("the transaction is committed", async || *committed.lock().expect("no panic") == Some(1)).await;
    assert_eq!(last_seq(&db).await, 1);
}

#[apply(both_databases)]
async fn a_transaction_that_timed_out_is_not_committed_later(database: Database) {
    // Long enough for a statement on a busy machine.
    let given = [("DATABASE_STATEMENT_TIMEOUT_MS", "4000"), ("DATABASE_LOCK_TIMEOUT_MS", "4000")];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(USER.number());
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let ended = Arc::new(Mutex::new(false));
    let ending = ended.clone();
    let transaction = move |conn: &mut AnyConnection| {
        let raised = raise(conn);
        // As if the database hung.
        goes_on.lock().expect("no panic while locked").recv().expect("the test continues it");
        raised
    };
    let then = move |end: End<i64>| {
        *ending.lock().expect("no panic while locked") = true;
        end.into_result()
    };
    refused(db.transaction(transaction, then).await);
    go_on.send(()).expect("the transaction hangs");
    until("the transaction has ended", async || *ended.lock().expect("no panic")).await;
    assert_eq!(last_seq(&db).await, 0, "the client may try again");
    assert_eq!(db.transaction(raise, End::into_result).await.expect("it holds no lock"), 1);
}

#[apply(both_databases)]
async fn an_event_of_an_unknown_user_is_refused(database: Database) {
    let (_scratch, db) = fixture(database);
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
    let response = db.transaction(orphan, End::into_result).await;
    assert!(matches!(response, Err(Error::Internal(_))), "foreign keys are on: {response:?}");
}

#[apply(both_databases)]
async fn concurrent_transactions_get_distinct_numbers(database: Database) {
    const WRITERS: usize = 50;
    let (_scratch, db) = fixture(database);
    let writers = (0..WRITERS).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.transaction(raise, End::into_result).await })
    });
    let numbers = futures_util::future::join_all(writers).await.into_iter();
    let mut numbers: Vec<i64> = numbers.map(|it| it.expect("no panic").expect("committed")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=i64::try_from(WRITERS).expect("few")));
}

#[apply(both_databases)]
async fn a_timestamp_is_read_as_it_was_written(database: Database) {
    let (_scratch, db) = fixture(database);
    let now = Timestamp::now();
    let insert = move |conn: &mut AnyConnection| {
        let row = (
            inbox_events::user_id.eq(USER),
            inbox_events::seq.eq(1),
            inbox_events::type_.eq("new_message"),
            inbox_events::data.eq("{}"),
            inbox_events::created_at.eq(now),
        );
        Ok(diesel::insert_into(inbox_events::table).values(row).execute(conn)?)
    };
    db.transaction(insert, End::into_result).await.expect("committed");
    let stored =
        db.read(|conn| Ok(inbox_events::table.select(inbox_events::created_at).first::<Timestamp>(conn)?));
    assert_eq!(stored.await.expect("read"), now);
}
