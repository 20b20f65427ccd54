//! Retention: what it looks at, which clock it goes by, and what a lock or a backlog does to it.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use numeneon::db;
use numeneon::events::inbox;
use numeneon::settings;
use numeneon::timestamp::Timestamp;
use rstest_reuse::apply;
use tempfile::TempDir;

use super::scratch::{Scratch, both_databases};
use crate::process::{Process, Program};
use crate::support::{Database, SECRET_KEY, until};

/// Inserts events 1 to `count` into the inbox of a user, so many minutes ago.
fn add_events(scratch: &Scratch, user: i64, count: i64, minutes: u32) {
    let created_at = Timestamp::now().minutes_before(minutes).to_string().replace('T', " ").replace('Z', "");
    let rows: Vec<_> =
        (1..=count).map(|seq| format!("({user}, {seq}, 'x', '{{}}', '{created_at}')")).collect();
    scratch.database.execute(&format!(
        "INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES {}; \
         UPDATE inboxes SET last_seq = {count} WHERE user_id = {user}",
        rows.join(",")
    ));
}

/// Returns the first number and how many there are.
fn kept(scratch: &Scratch, user: i64) -> (i64, i64) {
    let of = |what: &str| {
        scratch.database.number(&format!("(SELECT {what} FROM inbox_events WHERE user_id = {user})"))
    };
    (of("MIN(seq)"), of("COUNT(*)"))
}

#[apply(both_databases)]
async fn only_inboxes_that_changed_are_looked_at(database: Database) {
    let (scratch, db) = Scratch::migrated(database, &[]);
    let bounds = settings::Inbox { retention_days: 30, max_events: 5 };
    // Beyond the bound: one that changed lately and one that did not. Within it: one that changed.
    for (user, count, minutes) in [(1, 8, 1), (2, 8, 60), (3, 5, 1)] {
        scratch.add_user(user);
        add_events(&scratch, user, count, minutes);
    }
    let now = Timestamp::now();
    for (since, deleted, expected) in [
        (Some(now.minutes_before(10)), 3, [(4, 5), (1, 8), (1, 5)]),
        (Some(now.minutes_before(10)), 0, [(4, 5), (1, 8), (1, 5)]),
        (None, 3, [(4, 5), (4, 5), (1, 5)]),
    ] {
        let pruned = db.read(move |conn| Ok(inbox::prune_excess(conn, &bounds, now, since)?)).await;
        assert_eq!(pruned.expect("pruned"), deleted, "{since:?}");
        assert_eq!([1, 2, 3].map(|user| kept(&scratch, user)), expected, "{since:?}");
    }
}

/// Adds events of user 1: so many, each so many days old, numbered from there on.
fn add_days(scratch: &Scratch, from: i64, count: i64, days: i64) {
    scratch.database.execute(&format!(
        "INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
         SELECT 1, seq, 'x', '{{}}', now() AT TIME ZONE 'UTC' - interval '{days} days' \
         FROM generate_series({from}, {from} + {count} - 1) AS seq"
    ));
}

fn start(scratch: &Scratch, folder: &TempDir, given: &[(&str, &str)]) -> Process {
    Program::in_folder(folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY)])
        .with_all(&[("METRICS_ADDRESS", "127.0.0.1:0"), ("DATABASE_URL", &scratch.database.url())])
        .with_all(given)
        .start()
}

fn prepared() -> (Scratch, TempDir) {
    let scratch = Scratch::empty(Database::postgres(), &[]);
    db::migrate(&scratch.settings).expect("migrated");
    scratch.add_user(1);
    (scratch, TempDir::new().expect("a folder"))
}

async fn metric(process: &Process, name: &str) -> Option<i64> {
    let text = process.on_metrics_port("/metrics").await.text;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_clock_is_ahead_deletes_nobodys_events() {
    // Debian's and Ubuntu's folder of libraries has the name of the machine.
    let machine = std::env::consts::ARCH;
    let library = format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1");
    assert!(std::path::Path::new(&library).exists(), "libfaketime, which scripts/install servers installs");
    let (scratch, folder) = prepared();
    add_days(&scratch, 1, 5, 31);
    add_days(&scratch, 6, 5, 1);
    let fake = [("LD_PRELOAD", &*library), ("FAKETIME", "+40d"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let process = start(&scratch, &folder, &fake);
    let tomorrow = Timestamp::now().minutes_later(24 * 60).to_string();
    let log = process.log();
    let logged = serde_json::from_str::<serde_json::Value>(&log[0]).expect("a line of JSON");
    assert!(logged["timestamp"].as_str() > Some(&tomorrow), "its clock is ahead: {logged}");
    // Everything is read after both kinds of events were looked at.
    until("retention has looked", async || {
        metric(&process, "numeneon_oldest_event_seconds ").await.is_some_and(|age| age > 0)
    })
    .await;
    assert_eq!(kept(&scratch, 1), (6, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_waits_for_a_lock_delays_no_other_and_is_reported() {
    let (scratch, folder) = prepared();
    add_days(&scratch, 1, 1, 40);
    scratch.database.execute("INSERT INTO spent_tokens VALUES ('expired', now() - interval '1 day')");
    let mut holder = PgConnection::establish(&scratch.database.url()).expect("a connection");
    holder.batch_execute("BEGIN; SELECT FROM inbox_events FOR UPDATE").expect("a lock");
    let process = start(&scratch, &folder, &[]);
    let has_logged = |text: &str| process.log().iter().any(|line| line.contains(text));
    until("the delay is reported", async || has_logged("retention is behind")).await;
    assert!(has_logged("retention failed; retrying next period"));
    let age = metric(&process, "numeneon_oldest_event_seconds ").await.expect("an age");
    assert!((40 * 86_400..40 * 86_400 + 3_600).contains(&age), "{age}");
    assert_eq!(scratch.database.number("(SELECT count(*) FROM spent_tokens)"), 0);
    assert_eq!(kept(&scratch, 1), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_deleted_at_once() {
    const EVENTS: i64 = 20_000;
    let (scratch, folder) = prepared();
    add_days(&scratch, 1, EVENTS, 40);
    let process = start(&scratch, &folder, &[]);
    let is_empty = async || scratch.database.number("(SELECT count(*) FROM inbox_events)") == 0;
    let elapsed = until("all of them are deleted", is_empty).await;
    println!("{EVENTS} events were deleted in {elapsed:?}");
    let counted = async || metric(&process, "numeneon_events_pruned_total ").await == Some(EVENTS);
    until("they are counted", counted).await;
}
