//! The log lines and the request id of a request, from the instance that receives it to the one
//! that delivers its event.

use std::future::IntoFuture;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::support::{Database, SECRET_KEY, redis_url};
use crate::wait::{TIMEOUT, until, until_within};

/// Returns the lines of a log with this message.
fn lines(process: &Process, message: &str) -> Vec<Value> {
    let log = process.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines.filter(|line| line["message"] == message).collect()
}

/// Waits for the line of the log with this message and request id.
async fn line(process: &Process, message: &str, request_id: &str) -> Value {
    let mut found = None;
    until("the line is in the log", async || {
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
    let program = Program::in_folder(&folder)
        .with_all(&[
            ("PORT", "0"),
            ("WORKERS", "1"),
            ("SECRET_KEY", SECRET_KEY),
            ("LOG", "info,numeneon=debug"),
        ])
        .with_all(&[("DATABASE_URL", &database.url()), ("REDIS_URL", &redis_url())]);
    let (here, there) = (program.start(), program.start());
    database.use_distinct_ids();
    let (ada, bob) = (here.sign_up("ada").await, here.sign_up("bob").await);
    let mut socket = there.handshake(&bob).header("x-request-id", "the-handshake").open().await;

    let body = json!({ "receiver_id": bob.id, "content": "hello" });
    let post = || here.request("POST", "/api/messages/?secret=1").by(&ada).json(&body);
    let response = post().header("x-request-id", "8f1e.a_b-FRA").header("cf-ray", "another").await;
    assert_eq!((response.status, response.header("x-request-id").as_deref()), (201, Some("8f1e.a_b-FRA")));
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
    assert!(lines(&here, "delivered").is_empty(), "no socket is open there");

    // Without a valid id from the client, the instance uses another header or generates one.
    let response = post().header("x-request-id", "not valid").header("cf-ray", "8f2-FRA").await;
    assert_eq!(response.header("x-request-id").as_deref(), Some("8f2-FRA"));
    let generated = post().header("x-request-id", "\"").await.header("x-request-id").expect("an id");
    assert!(generated.len() == 32 && generated.bytes().all(|byte| byte.is_ascii_hexdigit()), "{generated}");
    assert_eq!(line(&there, "delivered", &generated).await["seq"], 3);

    assert_eq!(line(&there, "socket opened", "the-handshake").await["user.id"], bob.id.to_string());
    socket.next_many(2).await;
    socket.close().await;
    until("the close is in the log", async || {
        let closed = lines(&there, "socket closed");
        closed
            .iter()
            .any(|line| line["user.id"] == json!(bob.id.to_string()) && line["reason"] == "by_client")
    })
    .await;
    let logs = [here.log(), there.log()].concat().join("\n");
    assert!(!logs.contains("secret") && !logs.contains("hello"), "{logs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_read_does_not_block_requests() {
    let folder = TempDir::new().expect("a folder");
    let settings = [("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("METRICS_ADDRESS", "127.0.0.1:0")];
    let process = Program::in_folder(&folder).with_all(&settings).with("LOG", "trace").start();
    let ada = process.sign_up("ada").await;
    process.on_metrics_port("/metrics").await;
    let unread = process.stop_reading();
    let dropped = async || {
        let text = process.on_metrics_port("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix("numeneon_log_lines_dropped_total "));
        line.expect("the metric").parse::<u64>().expect("a number")
    };
    // The pipe and the queue of the log hold more lines than a busy machine writes in a minute.
    until_within(5 * TIMEOUT, "lines are dropped", async || {
        let request = || process.request("GET", "/api/auth/me/").by(&ada).into_future();
        for response in join_all((0..50).map(|_| request())).await {
            response.is(200);
        }
        dropped().await > 0
    })
    .await;
    drop(unread);
}

#[tokio::test]
async fn the_line_of_a_refused_request_and_of_a_sign_in_has_the_address_of_its_client() {
    let folder = TempDir::new().expect("a folder");
    let settings = [("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("TRUSTED_PROXIES", "1")];
    let process = Program::in_folder(&folder).with_all(&settings).start();
    let ada = process.sign_up("ada").await;
    let wrong = json!({ "email": ada.email, "password": "not the one" });
    let request = |method, path| process.request(method, path).header("x-forwarded-for", "203.0.113.7");
    request("POST", "/api/auth/login/").header("x-request-id", "wrong").json(&wrong).await.is(401);
    request("GET", "/api/messages/").header("x-request-id", "without").await.is(401);
    request("POST", "/api/auth/logout/all/").by(&ada).header("x-request-id", "revocation").await.is(200);
    request("GET", "/").header("x-request-id", "other").await.is(200);
    for id in ["wrong", "without", "revocation"] {
        assert_eq!(line(&process, "request", id).await["client.address"], "203.0.113.7", "{id}");
    }
    assert_eq!(line(&process, "request", "other").await.get("client.address"), None);
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_reported_once() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder).with("PORT", "0").with("SECRET_KEY", SECRET_KEY).start();
    for _ in 0..3 {
        let request = process.request("GET", "/api/messages/").header("x-forwarded-for", "203.0.113.7");
        request.header("x-request-id", "proxied").await.is(401);
    }
    line(&process, "request", "proxied").await;
    let warnings: Vec<_> =
        process.log().into_iter().filter(|line| line.contains("X-Forwarded-For")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("127.0.0.1"), "{warnings:?}");
}
