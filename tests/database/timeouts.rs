//! The bounds of a call: for a connection, for a statement, for a lock. Past them it
//! is refused for now: 503 with `Retry-After`.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::ResponseError;
use actix_web::http::header::RETRY_AFTER;
use diesel::prelude::*;
use futures_util::future::join_all;
use numeneon::db::AnyConnection;
use numeneon::db::schema::{inboxes, users};
use numeneon::error::{Error, Result};
use numeneon::ids::UserId;
use rstest::rstest;

use super::scratch::{Scratch, hold_locked};
use crate::support::{Database, Instance, LIMIT, Person, SECRET_KEY};
use crate::wait::within;

/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(1);

/// Checks that the call was refused for now.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T>) {
    let error = answer.expect_err("refused");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let response = error.error_response();
    assert_eq!(response.status(), 503);
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    assert!(retry_after.and_then(|seconds| seconds.parse::<u64>().ok()).is_some_and(|seconds| seconds > 0));
}

/// Checks that `took` is the bound, give or take.
#[track_caller]
pub fn about(took: Duration, bound: Duration) {
    assert!(took >= bound.mul_f64(0.9) && took < bound + SLACK, "{took:?} is not about {bound:?}");
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_a_bounded_time_for_a_connection(#[case] database: Database) {
    let given = [("DATABASE_POOL_SIZE", "2"), ("DATABASE_WAIT_MS", "700")];
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
    starts.recv().await.expect("one is held");
    starts.recv().await.expect("both are held");
    assert_eq!((db.load().in_use, db.load().limit), (2, 2));

    let started = Instant::now();
    let (read, written) = tokio::join!(db.read(|_| Ok(())), db.transaction(|_| Ok(()), |outcome| outcome));
    about(started.elapsed(), Duration::from_millis(700));
    refused(read);
    refused(written);

    for _ in 0..2 {
        release.send(()).expect("somebody holds a connection");
    }
    for held in held {
        held.await.expect("no panic").expect("a call within its bounds is answered");
    }
    db.read(|_| Ok(())).await.expect("connections are free again");
    assert_eq!(db.load().in_use, 0, "and none is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_ended_and_asked_once() {
    let given = [("DATABASE_STATEMENT_TIMEOUT_MS", "800"), ("DATABASE_POOL_SIZE", "1")];
    let (_scratch, db) = Scratch::migrated(Database::postgres(), &given);
    let started = Instant::now();
    refused(db.read(|conn| Ok(diesel::sql_query("SELECT pg_sleep(30)").execute(conn)?)).await);
    about(started.elapsed(), Duration::from_millis(800));
    let started = Instant::now();
    let sleeps = |conn: &mut AnyConnection| Ok(diesel::sql_query("SELECT pg_sleep(30)").execute(conn)?);
    refused(db.transaction(sleeps, |outcome| outcome).await);
    about(started.elapsed(), Duration::from_millis(800));
    db.read(|_| Ok(())).await.expect("the only connection is replaced");
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hangs_is_answered_at_its_limit(#[case] database: Database) {
    let given = [
        ("DATABASE_STATEMENT_TIMEOUT_MS", "500"),
        ("DATABASE_POOL_SIZE", "1"),
        ("DATABASE_WAIT_MS", "20000"),
    ];
    let (_scratch, db) = Scratch::migrated(database, &given);
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let started = Instant::now();
    let hanging = db.read(move |_| {
        // Ends also when the test ends early.
        let _ = released.lock().expect("no panic while locked").recv();
        Ok(())
    });
    refused(hanging.await);
    about(started.elapsed(), Duration::from_millis(1_000));
    drop(release);
    db.read(|_| Ok(())).await.expect("its connection comes back, as soon as its thread does");
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_waited_for_a_bounded_time(#[case] database: Database) {
    let given = [("DATABASE_LOCK_TIMEOUT_MS", "1500")];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(1);
    let raise = || {
        let act = |conn: &mut AnyConnection| {
            let raised = diesel::update(inboxes::table.find(UserId::new(1)));
            Ok(raised.set(inboxes::last_seq.eq(inboxes::last_seq + 1)).execute(conn)?)
        };
        db.transaction(act, |outcome| outcome)
    };
    let held = hold_locked(&scratch.database.url(), "inboxes");
    let started = Instant::now();
    refused(raise().await);
    about(started.elapsed(), Duration::from_millis(1_500));
    drop(held);
    assert_eq!(raise().await.expect("the lock is free"), 1);
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_pool_are_refused_while_the_reactor_stays_free(#[case] database: Database) {
    let given = [
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("DATABASE_POOL_SIZE", "2"),
        ("DATABASE_WAIT_MS", "500"),
        ("DATABASE_LOCK_TIMEOUT_MS", "2500"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "2500"),
        ("SHUTDOWN_DELAY_SECONDS", "0"),
        ("SHUTDOWN_SPREAD_SECONDS", "0"),
        ("SECRET_KEY", SECRET_KEY),
    ];
    let mut settings = BTreeMap::from(given.map(|(name, value)| (name, value.to_owned())));
    settings.insert("DATABASE_URL", database.url());
    let instance = Instance::wait(Instance::start(settings));
    let (ada, bob) = (Person::sign_up(&instance, "ada").await, Person::sign_up(&instance, "bob").await);
    let body = serde_json::json!({ "receiver_id": bob.id, "content": "hello" });

    let held = hold_locked(&database.url(), "messages");
    let all = join_all((0..20).map(|_| async {
        let started = Instant::now();
        let answer = instance.post("/api/messages/").by(&ada).json(&body).await;
        (answer, started.elapsed())
    }));
    let meanwhile = async {
        for _ in 0..20 {
            let started = Instant::now();
            instance.get("/healthz").await.is(200);
            let took = started.elapsed();
            assert!(took < Duration::from_millis(500), "the reactor waits: {took:?}");
        }
    };
    let (answers, ()) = tokio::join!(all, meanwhile);
    for (answer, took) in answers {
        answer.details(503, "Service temporarily unavailable.");
        assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()));
        // Twice a wait for a connection, for the token and for the message, and a lock.
        assert!(took < Duration::from_millis(500 + 500 + 2_500) + SLACK, "{took:?}");
    }
    drop(held);
    let sent = async || instance.post("/api/messages/").by(&ada).json(&body).await.status == 201;
    within(LIMIT, "service is back", sent).await;
}

#[rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_few_connections(#[case] database: Database) {
    let given = [("DATABASE_POOL_SIZE", "3"), ("DATABASE_WAIT_MS", "20000")];
    let (scratch, db) = Scratch::migrated(database, &given);
    scratch.add_user(1);
    let calls = (0..200).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { db.read(|conn| Ok(users::table.count().get_result::<i64>(conn)?)).await })
    });
    for count in join_all(calls).await {
        assert_eq!(count.expect("no panic").expect("an answer"), 1);
    }
    assert!(db.load().limit == 3 && db.load().in_use == 0);
}
