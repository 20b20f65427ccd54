//! What failing tests print holds no secrets: `scripts/check-secrets` searches the output of
//! all tests, and one failure must not cause a second.

use std::process::{Command, Output};

use rstest::rstest;
use serde_json::json;

use crate::support::{PASSWORD, REDACTED, Standalone, redact};

/// Set in the process that runs the test below to see it fail.
const FAILS: &str = "TEST_THAT_FAILS";

/// Runs `scripts/check-secrets` on a text.
fn search(text: &[u8]) -> Output {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("output"), text).expect("a file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/check-secrets");
    Command::new(script).arg(folder.path()).output().expect("scripts/check-secrets runs")
}

#[tokio::test]
async fn a_failing_test_prints_responses_without_tokens() {
    if std::env::var_os(FAILS).is_some() {
        let stage = Standalone.stage();
        let ada = stage.person("ada").await;
        let body = json!({ "email": ada.email, "password": PASSWORD });
        let response = stage.here().post("/api/auth/login/").json(&body).await;
        // One of the ways in which tests print a response.
        assert_eq!((response.status, response.json()), (500, json!("not a pair of tokens")), "{response:?}");
    }
    let name = "redaction::a_failing_test_prints_responses_without_tokens";
    let this_binary = std::env::current_exe().expect("the path of this binary");
    let child = Command::new(this_binary).args([name, "--exact", "--nocapture"]).env(FAILS, "1").output();
    let child = child.expect("the test runs");
    assert!(!child.status.success(), "the test fails there");
    let output = [child.stdout, child.stderr].concat();
    let text = String::from_utf8_lossy(&output);
    assert!(text.contains("not a pair of tokens") && text.contains(REDACTED), "{text}");
    assert!(text.contains(r#"\"access\":\"[redacted]\""#), "{text}");
    let found = search(&output);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
}

#[rstest]
#[case::token("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.c2lnbmF0dXJl")]
#[case::header("Bearer 0123456789abcdef0123456789")]
#[case::argon2("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")]
#[case::pbkdf2("pbkdf2_sha256$1000000$c2FsdA$aGFzaA==")]
#[case::url("postgres://numeneon:hunter2@127.0.0.1/numeneon")]
#[case::password(PASSWORD)]
fn a_secret_is_replaced_and_the_rest_is_kept(#[case] secret: &str) {
    let before = format!("left: \"{secret}\", right: {{\"access\":\"{secret}\"}} and 'another' text");
    let after = redact(&before);
    assert_eq!(
        after,
        format!("left: \"{REDACTED}\", right: {{\"access\":\"{REDACTED}\"}} and 'another' text")
    );
    let [found, clean] = [before, after].map(|text| search(text.as_bytes()).status.success());
    assert_eq!((found, clean), (false, true), "scripts/check-secrets finds it only before");
}
