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

/// Executes a command on a server.
fn execute(conn: &mut redis::Connection, command: &[&str]) {
    let (name, arguments) = command.split_first().expect("a command");
    redis::cmd(name).arg(arguments).exec(conn).expect("Redis executes the command");
}

/// Returns an instance that uses this Redis, with the log of an installation.
fn instance(folder: &TempDir, redis_url: &str) -> Process {
    Program::in_folder(folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY), ("REDIS_URL", redis_url)])
        .with("LIMIT_SIGNUPS_BY_ADDRESS", "1000000/1s")
        .start()
}

/// Waits until an instance, which stays ready, gives a cause of its degradation that has this text,
/// and until the log has a warning with it.
async fn until_named(process: &Process, text: &str) {
    until("readyz names the cause", async || {
        let readiness = process.request("GET", "/readyz").await.is(200);
        assert_eq!(readiness["status"], "ready", "{readiness}");
        let cause = readiness["channel_layer_cause"].as_str().unwrap_or_default();
        readiness["channel_layer"] == "degraded" && cause.contains(text)
    })
    .await;
    until("the log names the cause", async || {
        let lines = lines(process, &[DEGRADATIONS[0].0]);
        lines
            .iter()
            .any(|line| line["level"] == "WARN" && line["cause"].as_str().unwrap_or("").contains(text))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_cannot_be_used_is_named_with_the_cause_and_without_secrets() {
    let (redis, mut folders) = (PrivateRedis::start(), Vec::new());
    let mut conn = redis.connect();
    execute(&mut conn, &["CONFIG", "SET", "requirepass", "the right password"]);
    let port = redis.port();
    for (url, cause) in [
        (format!("redis://:the-wrong-password@127.0.0.1:{port}/"), "AuthenticationFailed"),
        (format!("redis://:the%20right%20password@127.0.0.1:{port}/99"), "out of range"),
        ("redis://:the-wrong-password@127.0.0.1:1/".to_owned(), "refused"),
    ] {
        folders.push(TempDir::new().expect("a folder"));
        let process = instance(folders.last().expect("the last"), &url);
        until_named(&process, cause).await;
        let readiness = process.request("GET", "/readyz").await.text;
        let log = process.log().join("\n");
        assert!(!readiness.contains("password@") && !log.contains("wrong-password"), "{readiness} {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cause_of_a_degradation_is_logged_once() {
    let (redis, folder) = (PrivateRedis::start(), TempDir::new().expect("a folder"));
    let mut conn = redis.connect();
    execute(&mut conn, &["CONFIG", "SET", "requirepass", "a password"]);
    let process = instance(&folder, &redis.url());
    until_named(&process, "NOAUTH").await;
    execute(&mut conn, &["ACL", "SETUSER", "default", "nopass", "resetchannels"]);
    until_named(&process, "NOPERM").await;
    assert_eq!(lines(&process, &[DEGRADATIONS[0].0]).len(), 2);
    execute(&mut conn, &["ACL", "SETUSER", "default", "allchannels"]);
    until("the layer is healthy", async || {
        process.request("GET", "/readyz").await.is(200)["channel_layer"] == "ok"
    })
    .await;
    until("publishing through Redis is logged", async || !lines(&process, &[DEGRADATIONS[1].1]).is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_keep_their_connection_to_a_redis_that_is_full() {
    let (redis, folder) = (PrivateRedis::start(), TempDir::new().expect("a folder"));
    let mut conn = redis.connect();
    let process = instance(&folder, &redis.url());
    process.sign_up("before").await;
    let connections = |conn: &mut redis::Connection| {
        let info: String = redis::cmd("INFO").arg("stats").query(conn).expect("a text");
        let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.expect("the count").trim().to_owned()
    };
    execute(&mut conn, &["CONFIG", "SET", "maxmemory", "1"]);
    let before = connections(&mut conn);
    for number in 0..20 {
        process.sign_up(&format!("person{number}")).await;
    }
    assert_eq!(connections(&mut conn), before, "the connection is not replaced");
    let (begins, ends) = DEGRADATIONS[2];
    let line = only_line(&process, begins, "WARN");
    assert!(line["cause"].as_str().is_some_and(|cause| cause.contains("OOM")), "{line}");
    assert!(lines(&process, &[ends]).is_empty());

    execute(&mut conn, &["CONFIG", "SET", "maxmemory", "0"]);
    let mut people = 20;
    until("the end is logged", async || {
        process.sign_up(&format!("person{people}")).await;
        people += 1;
        !lines(&process, &[ends]).is_empty()
    })
    .await;
    only_line(&process, begins, "WARN");
}
