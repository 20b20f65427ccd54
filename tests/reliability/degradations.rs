//! A degradation is logged once when it begins, with its cause, and once when it ends.

use serde_json::Value;
use tempfile::TempDir;

use crate::private_redis::PrivateRedis;
use crate::process::{Process, Program};
use crate::support::SECRET_KEY;
use crate::wait::until;

/// Degradations of an instance without its Redis: the lines that begin and end them.
const DEGRADATIONS: [(&str, &str); 3] = [
    ("not subscribed through Redis; events of other instances arrive late", "subscribed through Redis"),
    ("publishing through Redis failed; events reach other instances late", "publishing through Redis again"),
    ("limits counted per instance: Redis unavailable", "limits counted across instances again"),
];

/// Lines of further attempts, of which there are many in an outage.
const ATTEMPTS: [&str; 2] = ["connecting to Redis failed again", "publishing through Redis failed again"];

/// Returns the lines of the log with any of these messages.
fn lines(process: &Process, messages: &[&str]) -> Vec<Value> {
    let log = process.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines.filter(|line| messages.iter().any(|message| line["message"] == *message)).collect()
}

/// Checks that there is one line with this message, at this level, and returns it.
#[track_caller]
fn only_line(process: &Process, message: &str, level: &str) -> Value {
    let mut lines = lines(process, &[message]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = lines.remove(0);
    assert_eq!(line["level"], level, "{line}");
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_redis_is_logged_once_when_it_begins_and_once_when_it_ends() {
    let folder = TempDir::new().expect("a folder");
    let mut redis = PrivateRedis::start();
    redis.kill();
    let program = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY)])
        .with_all(&[("LOG", "info,numeneon=debug"), ("LIMIT_SIGNUPS_BY_ADDRESS", "1000000/1s")])
        .with("REDIS_URL", &redis.url());
    let process = program.start();

    until("several attempts fail", async || {
        ATTEMPTS.iter().all(|message| lines(&process, &[message]).len() >= 3)
    })
    .await;
    for (begins, ends) in DEGRADATIONS {
        let line = only_line(&process, begins, "WARN");
        assert!(line["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{line}");
        assert!(lines(&process, &[ends]).is_empty(), "{ends}");
    }

    redis.restart();
    let mut people = 0;
    until("every end is logged", async || {
        // Limits use Redis again when a request is counted.
        process.sign_up(&format!("person{people}")).await;
        people += 1;
        DEGRADATIONS.iter().all(|(_, ends)| !lines(&process, &[ends]).is_empty())
    })
    .await;
    // A busy machine may degrade the instance again after the outage: beginnings and ends alternate.
    for (begins, ends) in DEGRADATIONS {
        let lines = lines(&process, &[begins, ends]);
        for (line, is_begin) in lines.iter().zip([true, false].into_iter().cycle()) {
            let (message, level) = if is_begin { (begins, "WARN") } else { (ends, "INFO") };
            assert_eq!((&line["message"], &line["level"]), (&message.into(), &level.into()), "{lines:?}");
        }
    }
}
