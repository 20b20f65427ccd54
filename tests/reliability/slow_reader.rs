//! A reader that stops reading costs only itself, and little.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::private_redis::PrivateRedis;
use crate::process::{Process, Program};
use crate::support::{Database, LIMIT, Person, SECRET_KEY, Socket};
use crate::wait::within;

/// Events that arrive for a reader that does not read.
const EVENTS: usize = 10_000;

/// Events published at once: fewer than may wait for a socket.
const BATCH: usize = 100;

/// What the process may grow by for a reader that never reads.
const GROWTH_BYTES: usize = 1 << 20;

/// Publishes an event to a person, of the size of a message of some length.
fn publish(redis: &mut redis::Connection, person: &Person, first: usize) {
    let mut pipeline = redis::pipe();
    for number in first..first + BATCH {
        let frame =
            serde_json::json!({ "type": "new_post", "data": { "id": number, "text": "x".repeat(1_000) } });
        pipeline.publish(format!("user_{}", person.id), frame.to_string()).ignore();
    }
    pipeline.exec(redis).expect("Redis publishes");
}

/// Publishes all events to each of these people, at the pace of the one who reads, and
/// returns the longest time that a batch took to reach them, and the most that the
/// process held.
async fn flood(
    process: &Process,
    redis: &mut redis::Connection,
    people: &[&Person],
    reader: &mut Socket,
) -> (Duration, usize) {
    let (mut longest, mut most) = (Duration::ZERO, 0);
    for first in (0..EVENTS).step_by(BATCH) {
        let started = Instant::now();
        for person in people {
            publish(redis, person, first);
        }
        for number in first..first + BATCH {
            assert_eq!(reader.next().await["data"]["id"], number);
        }
        longest = longest.max(started.elapsed());
        most = most.max(process.resident_bytes());
    }
    (longest, most)
}

/// Returns how many sockets the process holds.
async fn sockets(process: &Process) -> usize {
    let metrics = process.watch("/metrics").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("numeneon_sockets "));
    line.expect("the number of sockets").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_for_a_reader_that_does_not_read_cost_others_nothing() {
    let redis = PrivateRedis::start();
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let process = Program::within(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
        ])
        .with_all(&[("DATABASE_URL", &database.url()), ("REDIS_URL", &redis.url())])
        .start();
    let (reader, stuck) = (process.sign_up("reader").await, process.sign_up("stuck").await);
    let mut conn = redis.client().get_connection().expect("Redis answers");
    within(LIMIT, "it is ready", async || process.call("GET", "/readyz").await.status == 200).await;

    // Once with nobody stuck: what the process needs for the work itself it has then.
    let mut socket = process.dial(&reader).open().await;
    let (undisturbed, before) = flood(&process, &mut conn, &[&reader, &stuck], &mut socket).await;

    let never_reads = process.dial(&stuck).receive_buffer_bytes(4_096).upgrade().await.expect("it opens");
    let (longest, most) = flood(&process, &mut conn, &[&stuck, &reader], &mut socket).await;
    let growth = most.saturating_sub(before);
    println!(
        "the process grew by {growth} bytes; a batch took {longest:?} at most, {undisturbed:?} undisturbed"
    );
    assert!(growth < GROWTH_BYTES, "{growth} bytes");
    assert!(
        longest < undisturbed * 3 + Duration::from_millis(200),
        "{longest:?}, undisturbed {undisturbed:?}"
    );
    within(LIMIT, "the stuck reader is closed", async || sockets(&process).await == 1).await;
    drop(never_reads);
}
