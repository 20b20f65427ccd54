//! What an operator sees of a request, from the instance that takes it to the one that
//! delivers what it caused: real processes and their logs.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::support::{Database, LIMIT, SECRET_KEY, redis_url};
use crate::wait::within;

/// Returns the lines of a log that say this.
fn lines(process: &Process, message: &str) -> Vec<Value> {
    let log = process.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines.filter(|line| line["message"] == message).collect()
}

/// Waits for the line of the log that says this about a request.
async fn line(process: &Process, message: &str, request_id: &str) -> Value {
    let mut found = None;
    within(LIMIT, "the line is in the log", async || {
        found = lines(process, message).into_iter().find(|line| line["request.id"] == request_id);
        found.is_some()
    })
    .await;
    found.expect("a line")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_id_from_its_post_to_the_delivery_on_another_instance() {
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let program = Program::within(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            ("LOG", "info,numeneon=debug"),
        ])
        .with_all(&[("DATABASE_URL", &database.url()), ("REDIS_URL", &redis_url())]);
    let (here, there) = (program.start(), program.start());
    database.keep_ids_apart();
    let (ada, bob) = (here.sign_up("ada").await, here.sign_up("bob").await);
    let mut socket = there.dial(&bob).header("x-request-id", "the-handshake").open().await;

    let body = json!({ "receiver_id": bob.id, "content": "hello" });
    let post = || here.call("POST", "/api/messages/?secret=1").by(&ada).json(&body);
    let answer = post().header("x-request-id", "8f1e.a_b-FRA").header("cf-ray", "another").await;
    assert_eq!((answer.status, answer.header("x-request-id").as_deref()), (201, Some("8f1e.a_b-FRA")));
    let frame = socket.text().await;
    assert!(frame.ends_with(r#","seq":1}"#) && !frame.contains("meta"), "{frame}");

    let request = line(&here, "request", "8f1e.a_b-FRA").await;
    assert_eq!((&request["method"], &request["status"]), (&json!("POST"), &json!(201)));
    assert_eq!(
        (&request["route"], &request["user.id"]),
        (&json!("/api/messages/"), &json!(ada.id.to_string()))
    );
    assert!(request["duration_ms"].as_f64().expect("a number") > 0.0);
    let delivered = line(&there, "delivered", "8f1e.a_b-FRA").await;
    assert_eq!((&delivered["seq"], &delivered["user.id"]), (&json!(1), &json!(bob.id.to_string())));
    assert!(lines(&here, "delivered").is_empty(), "nobody listens there");

    // An id that nobody sound has given is made, and goes the same way.
    let answer = post().header("x-request-id", "not sound").header("cf-ray", "8f2-FRA").await;
    assert_eq!(answer.header("x-request-id").as_deref(), Some("8f2-FRA"));
    let made = post().header("x-request-id", "\"").await.header("x-request-id").expect("an id");
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    assert_eq!(line(&there, "delivered", &made).await["seq"], 3);

    assert_eq!(line(&there, "socket opened", "the-handshake").await["user.id"], bob.id.to_string());
    socket.next_many(2).await;
    socket.close().await;
    within(LIMIT, "its end is in the log", async || {
        let closed = lines(&there, "socket closed");
        closed
            .iter()
            .any(|line| line["user.id"] == json!(bob.id.to_string()) && line["reason"] == "by_client")
    })
    .await;
    let both = [here.log(), there.log()].concat().join("\n");
    assert!(!both.contains("secret") && !both.contains("hello"), "{both}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_reads_nothing_stops_nobody() {
    let folder = TempDir::new().expect("a folder");
    let settings = [("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("METRICS_ADDRESS", "127.0.0.1:0")];
    let process = Program::within(&folder).with_all(&settings).with("LOG", "trace").start();
    let ada = process.sign_up("ada").await;
    process.watch("/metrics").await;
    let reader = process.stop_reading();
    let dropped = async || {
        let text = process.watch("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix("numeneon_log_lines_dropped_total "));
        line.expect("the number of lines").parse::<u64>().expect("a number")
    };
    within(LIMIT, "lines are dropped", async || {
        for _ in 0..50 {
            process.call("GET", "/api/auth/me/").by(&ada).await.is(200);
        }
        dropped().await > 0
    })
    .await;
    drop(reader);
}
