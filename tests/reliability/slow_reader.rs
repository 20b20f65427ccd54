//! A reader that stops reading does not slow others down, and needs little memory.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::private_redis::PrivateRedis;
use crate::process::{Process, Program};
use crate::support::{Database, Person, SECRET_KEY, Socket};
use crate::wait::{SLACK, until};

/// Events that are published to a reader that does not read.
const EVENTS: usize = 10_000;

/// Events that are published at once: fewer than the queue of a socket holds.
const BATCH: usize = 100;

/// By how much the process may grow for a reader that does not read.
const GROWTH_BYTES: usize = 1 << 20;

/// Publishes a batch of events to a person, each of the size of a long message.
fn publish(redis: &mut redis::Connection, person: &Person, first: usize) {
    let mut pipeline = redis::pipe();
    for number in first..first + BATCH {
        let frame =
            serde_json::json!({ "type": "new_post", "data": { "id": number, "text": "x".repeat(1_000) } });
        pipeline.publish(format!("user_{}", person.id), frame.to_string()).ignore();
    }
    pipeline.exec(redis).expect("Redis publishes");
}

/// Publishes all events to each of these people, as fast as the reader receives them. Returns how
/// long each batch took to arrive, and the maximum size of the process.
async fn flood(
    process: &Process,
    redis: &mut redis::Connection,
    people: &[&Person],
    reader: &mut Socket,
) -> (Vec<Duration>, usize) {
    let (mut elapsed, mut max_bytes) = (Vec::new(), 0);
    for first in (0..EVENTS).step_by(BATCH) {
        let started = Instant::now();
        for person in people {
            publish(redis, person, first);
        }
        for number in first..first + BATCH {
            assert_eq!(reader.next().await["data"]["id"], number);
        }
        elapsed.push(started.elapsed());
        max_bytes = max_bytes.max(process.resident_bytes());
    }
    (elapsed, max_bytes)
}

fn median(mut elapsed: Vec<Duration>) -> Duration {
    elapsed.sort();
    elapsed[elapsed.len() / 2]
}

/// Returns the number of open sockets.
async fn sockets(process: &Process) -> usize {
    let metrics = process.on_metrics_port("/metrics").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("numeneon_sockets "));
    line.expect("the metric").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_for_a_reader_that_does_not_read_do_not_slow_others_down() {
    let redis = PrivateRedis::start();
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            ("METRICS_ADDRESS", "127.0.0.1:0"),
            // An event that waited for the stuck reader would wait for this.
            ("SOCKET_WRITE_TIMEOUT_SECONDS", "600"),
        ])
        .with_all(&[("DATABASE_URL", &database.url()), ("REDIS_URL", &redis.url())])
        .start();
    let (reader, stuck) = (process.sign_up("reader").await, process.sign_up("stuck").await);
    let mut conn = redis.connect();
    until("the process is ready", async || process.request("GET", "/readyz").await.status == 200).await;

    // First without the stuck reader: then the process has the memory that the work itself needs.
    let mut socket = process.handshake(&reader).open().await;
    let (before, bytes_before) = flood(&process, &mut conn, &[&reader, &stuck], &mut socket).await;

    let handshake = process.handshake(&stuck).receive_buffer_bytes(4_096);
    let never_reads = handshake.upgrade().await.expect("the socket opens");
    let (meanwhile, bytes) = flood(&process, &mut conn, &[&stuck, &reader], &mut socket).await;
    until("the socket of the stuck reader is closed", async || sockets(&process).await == 1).await;
    drop(never_reads);
    let growth = bytes.saturating_sub(bytes_before);
    assert!(growth < GROWTH_BYTES, "{growth} bytes");
    let longest = meanwhile.iter().max().copied().expect("a batch");
    assert!(longest < SLACK, "a batch waited for the stuck reader: {longest:?}");

    // The machine may have become busier since the first events, or less busy.
    let (after, _) = flood(&process, &mut conn, &[&reader, &stuck], &mut socket).await;
    let (meanwhile, undisturbed) = (median(meanwhile), median(before).max(median(after)));
    println!(
        "the process grew by {growth} bytes; a batch took {meanwhile:?}, and {undisturbed:?} undisturbed"
    );
    assert!(meanwhile < undisturbed * 3 + Duration::from_millis(200), "{meanwhile:?}, {undisturbed:?}");
}
