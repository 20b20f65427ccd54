//! Secrets are never printed: not by `Debug`, not in errors about settings, not in the log.

use numeneon::settings::Settings;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::process::Program;
use crate::support::until;
use crate::support::{Handshake, PASSWORD, SECRET_KEY};

#[test]
fn debug_prints_no_secret() {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some("postgres://somebody:hunter2@db/numeneon".to_owned()),
        "REDIS_URL" => Some("redis://:hunter2@cache".to_owned()),
        "SECRET_KEY" => Some(SECRET_KEY.to_owned()),
        "METRICS_TOKEN" => Some("hunter2".to_owned()),
        "SERVICE_KEYS" => Some("posts:hunter2-hunter2-hunter2-hunter2-hunter2".to_owned()),
        // Builds without the feature refuse it.
        "OTLP_ENDPOINT" if cfg!(feature = "otlp") => Some("http://host:4318/hunter2".to_owned()),
        _ => None,
    };
    let settings = Settings::from_lookup(&lookup).expect("valid settings");
    for text in [format!("{settings:?}"), format!("{settings:#?}"), format!("{:?}", settings.clone())] {
        assert!(!text.contains("hunter2") && !text.contains(SECRET_KEY), "{text}");
    }
}

#[rstest]
#[case("DATABASE_URL", "postgres://somebody:hunter2@127.0.0.1:1/nothing")]
#[case("DATABASE_URL", "postgres://somebody:hunter2@host:port/nothing")]
#[case("DATABASE_URL", "postgres://somebody:hunter2%zz@127.0.0.1:1/nothing")]
#[case("DATABASE_URL", "postgres://somebody:hunter2@127.0.0.1:1/nothing?unknown=hunter2")]
#[case("DATABASE_URL", "mysql://somebody:hunter2@host/nothing")]
#[case("DATABASE_URL", "hunter2")]
#[case("REDIS_URL", "redis://:hunter2@host:port")]
#[case("REDIS_URL", "rediss://:hunter2@host:1/x")]
#[case("REDIS_URL", "redis://:hunter2@host/hunter2")]
#[case("REDIS_URL", "http://:hunter2@host")]
#[case("OTLP_ENDPOINT", "http://somebody:hunter2@host:4318")]
#[case("OTLP_ENDPOINT", "http://:hunter2@host:port")]
#[case("OTLP_ENDPOINT", "http://host:4318/?key=hunter2")]
#[case("OTLP_ENDPOINT", "hunter2")]
#[case("SECRET_KEY", "hunter2")]
#[case("SERVICE_KEYS", "hunter2")]
#[case("SERVICE_KEYS", "posts:hunter2")]
#[case("SERVICE_KEYS", "hunter2 :hunter2-hunter2-hunter2-hunter2-hunter2")]
#[case("SERVICE_KEYS", "a:hunter2-hunter2-hunter2-hunter2-hunter2,b:hunter2-hunter2-hunter2-hunter2-hunter2")]
fn errors_about_settings_print_no_secret(#[case] name: &str, #[case] value: &str) {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder).with("PORT", "0").with("LOG", "trace");
    let cluster = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"), ("SECRET_KEY", SECRET_KEY)];
    let output = program.with_all(&cluster).with(name, value).run(&[]);
    let text = String::from_utf8(output.stderr).expect("a text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("hunter2") && !text.contains(SECRET_KEY), "{text}");
}

/// Uses tokens and passwords in every way that clients do, valid and invalid, and returns the log
/// and the secrets.
async fn use_secrets(log: &str) -> (Vec<String>, Vec<String>) {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder).with("PORT", "0").with("LOG", log);
    let mut process = program
        .with("SECRET_KEY", SECRET_KEY)
        .with("METRICS_TOKEN", "a metrics token")
        .with("METRICS_ADDRESS", "127.0.0.1:0")
        .start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let tokens = process.request("POST", "/api/auth/login/").json(&credentials).await.is(200);
    let refresh = tokens["refresh"].as_str().expect("a token").to_owned();
    process.request("POST", "/api/auth/token/refresh/").json(&json!({ "refresh": refresh })).await.is(200);
    let wrong = json!({ "email": "ada@example.com", "password": "a wrong password" });
    process.request("POST", "/api/auth/login/").json(&wrong).await.is(401);
    process.request("GET", &format!("/api/auth/me/?token={}", ada.access)).await.is(401);
    process.request("GET", "/api/auth/me/").bearer(&format!("{}x", ada.access)).await.is(401);
    process.on_metrics_port("/metrics").bearer("a metrics token").await;

    let mut socket = process.handshake(&bob).open().await;
    process.message(&ada, &bob, "a private message").await.is(201);
    socket.next().await;
    socket.send_text("a private remark").await;
    socket.next().await;
    socket.close().await;
    let by_protocol = format!("numeneon.v1, bearer.{}", bob.access);
    Handshake::new(process.port()).subprotocols(&by_protocol).open().await.close().await;
    let refused = Handshake::new(process.port()).token(&refresh).upgrade().await;
    assert!(refused.is_err());

    process.terminate();
    assert_eq!(process.exited().code(), Some(0));
    let secrets = [
        &ada.access,
        &bob.access,
        &refresh,
        PASSWORD,
        "a wrong password",
        "a private message",
        "a private remark",
        "a metrics token",
        SECRET_KEY,
    ];
    (process.log(), secrets.map(str::to_owned).to_vec())
}

#[rstest]
#[case::of_the_service("info,numeneon=trace")]
#[case::of_all_libraries("trace")]
#[tokio::test]
async fn the_most_verbose_log_has_no_token_no_password_and_no_message(#[case] log: &str) {
    let (lines, secrets) = use_secrets(log).await;
    assert!(lines.len() > 2, "{lines:?}");
    for line in &lines {
        for secret in &secrets {
            // The signature identifies a token.
            let part = secret.rsplit('.').next().unwrap_or(secret);
            assert!(!line.contains(part), "{secret} is in the log: {line}");
        }
    }
}

#[tokio::test]
async fn the_cause_of_a_server_error_is_in_the_log_and_not_in_the_response() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder).with("PORT", "0").with("SECRET_KEY", SECRET_KEY).start();
    let ada = process.sign_up("ada").await;
    let file = folder.path().join("numeneon.sqlite3");
    let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(&file.display().to_string())
        .expect("a connection");
    diesel::connection::SimpleConnection::batch_execute(
        &mut conn,
        "ALTER TABLE messages RENAME TO elsewhere",
    )
    .expect("the statement is executed");
    process.request("GET", "/api/messages/").by(&ada).await.has_detail(500, "Internal server error.");
    until("the cause is in the log", async || {
        process.log().iter().any(|line| line.contains("no such table"))
    })
    .await;
}
