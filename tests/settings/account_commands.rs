//! What an operator does to an account from the command line.

use tempfile::TempDir;

use crate::process::{Process, Program};
use crate::support::{Database, PASSWORD, SECRET_KEY, redis_url};

async fn log_in(process: &Process, status: u16) {
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    process.call("POST", "/api/auth/login/").json(&body).await.is(status);
}

/// Runs it and returns what it prints.
fn done(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

async fn an_account_is_closed_and_opened_again(program: &Program) {
    let process = program.start();
    let ada = process.sign_up("ada").await;
    let mut socket = process.dial(&ada).open().await;

    assert_eq!(done(program, &["deactivate", "ada"]), "ada is signed out and may not sign in\n");
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    process.call("GET", "/api/auth/me/").by(&ada).await.is(401);
    log_in(&process, 401).await;

    assert_eq!(done(program, &["reactivate", "ada"]), "ada may sign in again\n");
    let answer = process.call("GET", "/api/auth/me/").by(&ada).await.is(401);
    assert_eq!(answer["messages"][0]["message"], "Token is blacklisted");
    log_in(&process, 200).await;
}

#[tokio::test]
async fn an_account_of_a_cluster_is_closed_through_redis() {
    let (folder, database) = (TempDir::new().expect("a folder"), Database::postgres());
    let url = database.url();
    let given = [
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("SECRET_KEY", SECRET_KEY),
        ("DATABASE_URL", &url),
        // It is not this that closes the socket.
        ("POSITION_CHECK_SECONDS", "3600"),
    ];
    let program = Program::within(&folder).with_all(&given).with("REDIS_URL", &redis_url());
    done(&program, &["migrate"]);
    database.keep_ids_apart();
    an_account_is_closed_and_opened_again(&program).await;
}

#[tokio::test]
async fn an_account_of_a_laptop_is_closed_by_the_position_check() {
    let folder = TempDir::new().expect("a folder");
    let given = [("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("POSITION_CHECK_SECONDS", "1")];
    an_account_is_closed_and_opened_again(&Program::within(&folder).with_all(&given)).await;
}

#[test]
fn nobody_of_that_name_is_told() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::within(&folder).with("LOG", "off");
    done(&program, &["migrate"]);
    let output = program.run(&["deactivate", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "numeneon: no user of this name\n");
}
