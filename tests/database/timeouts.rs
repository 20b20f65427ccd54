//! The timeouts of a database call: for a connection, a statement, a lock, and the whole call.
//! A call that exceeds one fails with 503 and `Retry-After`.
//!
//! Each test sets the timeout that it is about, and the others far beyond [`SLACK`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::ResponseError;
use actix_web::http::header::RETRY_AFTER;
use diesel::prelude::*;
use futures_util::future::join_all;
use numeneon::db::schema::{inboxes, users};
use numeneon::db::{AnyConnection, BatchedRead, End, among};
use numeneon::error::{Error, Result};
use numeneon::ids::UserId;
use rstest_reuse::apply;

use super::scratch::{Scratch, both_databases, lock};
use crate::support::wait::{SLACK, until};
use crate::support::{Database, Instance, Person, SECRET_KEY};

/// A timeout that no test reaches.
const NEVER_MS: &str = "600000";

/// Checks that the call failed because of an outage or an overload.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(response: Result<T>) {
    let error = response.expect_err("a temporary failure");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    is_temporary(&error);
}

/// Checks that the call failed because a lock was held.
#[track_caller]
fn locked<T: std::fmt::Debug>(response: Result<T>) {
    let error = response.expect_err("a temporary failure");
    assert!(matches!(error, Error::Locked(_)), "{error:?}");
    is_temporary(&error);
}

#[track_caller]
fn is_temporary(error: &Error) {
    let response = error.error_response();
    assert_eq!(response.status(), 503);
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    assert!(retry_after.and_then(|seconds| seconds.parse::<u64>().ok()).is_some_and(|seconds| seconds > 0));
}

/// Checks that the call ended because of this timeout.
#[track_caller]
pub fn timed_out(elapsed: Duration, timeout: Duration) {
    let expected = timeout.mul_f64(0.9)..timeout + SLACK;
    assert!(expected.contains(&elapsed), "ended after {elapsed:?}, and the timeout is {timeout:?}");
}

#[apply(both_databases)]
async fn a_call_that_gets_no_connection_times_out(database: Database) {
    let given = [
        ("DATABASE_POOL_SIZE", "2"),
        ("DATABASE_WAIT_MS", "700"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", NEVER_MS),
    ];
    let (_scratch, db) = Scratch::migrated(database, &given);
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let (started, mut starts) = tokio::sync::mpsc::channel(2);
    let held: Vec<_> = (0..2)
        .map(|_| {
            let (db, released, started) = (db.clone(), released.clone(), started.clone());
            tokio::spawn(async move {
                db.read(move |_| {
                    started.blocking_send(()).expect("the test waits for it");
                    released.lock().expect("no panic while locked").recv().expect("released");
                    Ok(())
                })
                .await
            })
        })
        .collect();
    starts.recv().await.expect("one connection is in use");
    starts.recv().await.expect("both connections are in use");
    assert_eq!((db.load().in_use, db.load().limit), (2, 2));

    let started = Instant::now();
    let (read, written) = tokio::join!(db.read(|_| Ok(())), db.transaction(|_| Ok(()), End::into_result));
    timed_out(started.elapsed(), Duration::from_millis(700));
    refused(read);
    refused(written);

    for _ in 0..2 {
        release.send(()).expect("a call waits");
    }
    for held in held {
        held.await.expect("no panic").expect("a call within its timeouts succeeds");
    }
    db.read(|_| Ok(())).await.expect("the connections are free again");
    assert_eq!(db.load().in_use, 0, "and none is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_cancelled_and_not_repeated() {
    let given = [("DATABASE_STATEMENT_TIMEOUT_MS", "800"), ("DATABASE_POOL_SIZE", "1")];
    let (_scratch, db) = Scratch::migrated(Database::postgres(), &given);
    let started = Instant::now();
    refused(db.read(|conn| Ok(diesel::sql_query("SELECT pg_sleep(300)").execute(conn)?)).await);
    timed_out(started.elapsed(), Duration::from_millis(800));
    let started = Instant::now();
    let sleeps = |conn: &mut AnyConnection| Ok(diesel::sql_query("SELECT pg_sleep(300)").execute(conn)?);
    refused(db.transaction(sleeps, End::into_result).await);
    timed_out(started.elapsed(), Duration::from_millis(800));
    db.read(|_| Ok(())).await.expect("the only connection is replaced");
}

#[apply(both_databases)]
async fn a_call_that_hangs_times_out(database: Database) {
    let given = [("DATABASE_STATEMENT_TIMEOUT_MS", "500"), ("DATABASE_POOL_SIZE", "1")];
    let (_scratch, db) = Scratch::migrated(database, &given);
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let started = Instant::now();
    let hanging = db.read(move |_| {
        // Fails, and ends the call, when the test fails.
        let _ = released.lock().expect("no panic while locked").recv();
        Ok(())
    });
    refused(hanging.await);
    timed_out(started.elapsed(), Duration::from_millis(1_000));
    drop(release);
    db.read(|_| Ok(())).await.expect("its connection is returned when its thread ends");
}

#[apply(both_databases)]
async fn a_call_that_gets_no_lock_times_out(database: Database) {
    let given = [("DATABASE_LOCK_TIMEOUT_MS", "1500"), ("DATABASE_STATEMENT_TIMEOUT_MS", NEVER_MS)];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(1);
    let raise = || {
        let update = |conn: &mut AnyConnection| {
            let raised = diesel::update(inboxes::table.find(UserId::new(1)));
            Ok(raised.set(inboxes::last_seq.eq(inboxes::last_seq + 1)).execute(conn)?)
        };
        db.transaction(update, End::into_result)
    };
    let held = lock(&scratch.database.url(), "inboxes");
    let started = Instant::now();
    locked(raise().await);
    timed_out(started.elapsed(), Duration::from_millis(1_500));
    drop(held);
    assert_eq!(raise().await.expect("the lock is free"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_that_gets_no_lock_times_out_for_each_request_that_shares_it() {
    let database = Database::postgres();
    let (scratch, db) = Scratch::migrated(database, &[("DATABASE_LOCK_TIMEOUT_MS", "500")]);
    let held = lock(&scratch.database.url(), "users");
    let names = BatchedRead::new(&db, |conn, ids: &[i64]| {
        let known = among(conn, users::id, ids.iter().copied());
        users::table.filter(known).select((users::id, users::username)).load::<(i64, String)>(conn)
    });
    for outcome in join_all((0..20).map(|id| names.get(id))).await {
        locked(outcome);
    }
    drop(held);
    assert_eq!(names.get(1).await.expect("the lock is free"), None);
}

#[apply(both_databases)]
async fn requests_without_a_connection_time_out_and_do_not_block_the_reactor(database: Database) {
    let given = [
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("DATABASE_POOL_SIZE", "2"),
        ("DATABASE_WAIT_MS", "2000"),
        // All are of one user.
        ("MAX_REQUESTS_BY_PERSON", "100"),
        ("DATABASE_LOCK_TIMEOUT_MS", "10000"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "10000"),
        ("SHUTDOWN_DELAY_SECONDS", "0"),
        ("SHUTDOWN_SPREAD_SECONDS", "0"),
        ("SECRET_KEY", SECRET_KEY),
    ];
    const MESSAGES: usize = 20;
    let mut settings = BTreeMap::from(given.map(|(name, value)| (name, value.to_owned())));
    settings.insert("DATABASE_URL", database.url());
    let instance = Instance::wait(Instance::start(settings));
    let (ada, bob) = (Person::sign_up(&instance, "ada").await, Person::sign_up(&instance, "bob").await);
    let body = serde_json::json!({ "receiver_id": bob.id, "content": "hello" });

    let held = lock(&database.url(), "messages");
    let pending = AtomicUsize::new(MESSAGES);
    let messages = join_all((0..MESSAGES).map(|_| async {
        let started = Instant::now();
        let response = instance.post("/api/messages/").by(&ada).json(&body).await;
        pending.fetch_sub(1, Ordering::SeqCst);
        (response, started.elapsed())
    }));
    // Two messages wait for the lock, for ten seconds. Whatever waited for them in the reactor
    // would get a response after them.
    let others = async {
        for _ in 0..20 {
            instance.get("/healthz").await.is(200);
        }
        assert!(pending.load(Ordering::SeqCst) >= 2, "the reactor was blocked");
    };
    let (responses, ()) = tokio::join!(messages, others);
    for (response, elapsed) in responses {
        response.has_detail(503, "Service temporarily unavailable.");
        assert!(response.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()));
        // Two waits for a connection, for the token and for the message, and one for a lock.
        assert!(elapsed < Duration::from_secs(2 + 2 + 10) + SLACK, "{elapsed:?}");
    }
    drop(held);
    let sent = async || instance.post("/api/messages/").by(&ada).json(&body).await.status == 201;
    until("messages are accepted again", sent).await;
}

#[apply(both_databases)]
async fn many_calls_share_few_connections(database: Database) {
    let given = [("DATABASE_POOL_SIZE", "3")];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(1);
    let calls = (0..200).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.read(|conn| Ok(users::table.count().get_result::<i64>(conn)?)).await })
    });
    for count in join_all(calls).await {
        assert_eq!(count.expect("no panic").expect("a count"), 1);
    }
    assert!(db.load().limit == 3 && db.load().in_use == 0);
}
