//! The commands with which an operator deactivates and reactivates accounts.

use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::support::{Database, PASSWORD, SECRET_KEY, redis_url};

async fn log_in(process: &Process, status: u16) {
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    process.request("POST", "/api/auth/login/").json(&body).await.is(status);
}

/// Runs a command, which must succeed, and returns what it prints.
fn run(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

async fn deactivates_and_reactivates_an_account(program: &Program) {
    let process = program.start();
    let ada = process.sign_up("ada").await;
    let mut socket = process.handshake(&ada).open().await;

    assert_eq!(run(program, &["deactivate", "ada"]), "ada is signed out and may not sign in\n");
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    process.request("GET", "/api/auth/me/").by(&ada).await.is(401);
    log_in(&process, 401).await;

    assert_eq!(run(program, &["reactivate", "ada"]), "ada may sign in again\n");
    let response = process.request("GET", "/api/auth/me/").by(&ada).await.is(401);
    assert_eq!(response["messages"][0]["message"], "Token is blacklisted");
    log_in(&process, 200).await;
}

#[tokio::test]
async fn in_a_cluster_deactivating_closes_sockets_through_redis() {
    let (folder, database) = (TempDir::new().expect("a folder"), Database::postgres());
    let url = database.url();
    let given = [
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("SECRET_KEY", SECRET_KEY),
        ("DATABASE_URL", &url),
        // The position check, which closes such sockets too, does not run.
        ("POSITION_CHECK_SECONDS", "3600"),
    ];
    let program = Program::in_folder(&folder).with_all(&given).with("REDIS_URL", &redis_url());
    run(&program, &["migrate"]);
    database.use_distinct_ids();
    deactivates_and_reactivates_an_account(&program).await;
}

#[tokio::test]
async fn standalone_deactivating_closes_sockets_by_the_position_check() {
    let folder = TempDir::new().expect("a folder");
    let given = [("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("POSITION_CHECK_SECONDS", "1")];
    deactivates_and_reactivates_an_account(&Program::in_folder(&folder).with_all(&given)).await;
}

#[test]
fn an_unknown_username_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder).with("LOG", "off");
    run(&program, &["migrate"]);
    let output = program.run(&["deactivate", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "numeneon: no user of this name\n");
}
