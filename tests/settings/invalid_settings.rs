//! An invalid setting ends the program: exit code 1, and one line that names the setting.

use std::process::Output;

use numeneon::settings::SETTINGS;
use tempfile::TempDir;

use crate::process::Program;
use crate::support::SECRET_KEY;

/// Invalid values of each setting that can have one.
const INVALID: &[(&str, &[&str])] = &[
    ("HOST", &["256.0.0.1", "no host"]),
    ("PORT", &["-1", "65536", "http", "80 80", "8000.0"]),
    ("WORKERS", &["0", "1025", "many"]),
    ("MAX_CONNECTIONS", &["0", "x"]),
    ("KEEP_ALIVE_SECONDS", &["0", "3601", "75s"]),
    (
        "DATABASE_URL",
        &[
            "mysql://host/db",
            "sqlite://",
            "sqlite://:memory:",
            "postgres",
            "/a/path",
            "postgres://host:port/db",
        ],
    ),
    ("DATABASE_POOL_SIZE", &["0", "1001", "x"]),
    ("DATABASE_WAIT_MS", &["0", "60001", "2s"]),
    ("DATABASE_CONNECT_TIMEOUT_SECONDS", &["1", "61", "x"]),
    ("DATABASE_STATEMENT_TIMEOUT_MS", &["9", "600001", "x"]),
    ("DATABASE_LOCK_TIMEOUT_MS", &["9", "600001", "x"]),
    ("REDIS_URL", &["http://host", "redis", "redis://host:port"]),
    ("REDIS_PREFIX", &["two words", "ü", "a,b"]),
    (
        "SERVICE_KEYS",
        &[
            "posts",
            "posts:too-short",
            ":32-bytes-or-more-and-nothing-before",
            "Posts:32-bytes-or-more-behind-a-capital",
            "a-name-of-more-than-thirty-two-letters:32-bytes-or-more-behind-it",
            "posts:32-bytes-or-more-and one of them a space",
            "posts:32-bytes-or-more-but-of-one-name,posts:another-one-of-32-bytes-or-more",
            "posts:32-bytes-or-more-but-the-same-key,stories:32-bytes-or-more-but-the-same-key",
        ],
    ),
    ("ALLOWED_ORIGINS", &["https://app.example.org/", "app.example.org", "'https://app.example.org'", "*"]),
    ("ALLOWED_HOSTS", &["https://example.org", "example.org:8000", "a.example.org;b.example.org"]),
    ("ALLOWED_WS_ORIGINS", &["https://app.example.org/", "https://a.example.org, b.example.org"]),
    ("TRUSTED_PROXIES", &["-1", "17", "true"]),
    ("TRUSTED_NETWORKS", &["10.0.0.0/33", "10.0.0.1/8", "private", "10.0.0.0/8;fd00::/8"]),
    ("CLIENT_ADDRESS_HEADER", &["CF Connecting", "a:b"]),
    ("MAX_BODY_BYTES", &["1023", "16777217", "64k"]),
    ("MAX_MESSAGE_CHARACTERS", &["0", "1000001", "x"]),
    ("ACCESS_TOKEN_SECONDS", &["0", "31536001", "1h"]),
    ("REFRESH_TOKEN_SECONDS", &["0", "31536001", "1w"]),
    (
        "LIMIT_FAILED_LOGINS_BY_EMAIL",
        &["20", "20/m", "0/1m", "1/0s", "1000001/1s", "1/25h", "20/15x", "none", "-1/1m"],
    ),
    ("LIMIT_FAILED_LOGINS_BY_ADDRESS", &["100"]),
    ("LIMIT_LOGINS_BY_EMAIL_AND_ADDRESS", &["120"]),
    ("LIMIT_SIGNUPS_BY_ADDRESS", &["1/h"]),
    ("LIMIT_MESSAGES_BY_PERSON", &["120 a minute"]),
    ("LIMIT_FRIEND_REQUESTS_BY_PERSON", &["60/"]),
    ("LIMIT_POSTS_BY_PERSON", &["60"]),
    ("LIMIT_REACTIONS_BY_PERSON", &["300/1d"]),
    ("STORY_LIFETIME_SECONDS", &["0", "31536001", "1d"]),
    ("MAX_POSTS_LISTED", &["0", "10001", "all"]),
    ("LIMIT_CONNECTS_BY_ADDRESS", &["/1m"]),
    ("LIMIT_REQUESTS_BY_PERSON", &["1200", "0/1m"]),
    ("MAX_REQUESTS_BY_PERSON", &["0", "1000001", "off"]),
    ("LIMIT_FRAMES_BY_SOCKET", &["100/10"]),
    ("MAX_SOCKETS", &["0", "1000001", "x"]),
    ("MAX_SOCKETS_BY_PERSON", &["0", "1000001", "off"]),
    ("PASSWORD_HASHES_AT_ONCE", &["0", "1025", "x"]),
    ("SOCKET_QUEUE_EVENTS", &["0", "100001", "x"]),
    ("SOCKET_QUEUE_BYTES", &["1023", "67108865", "x"]),
    ("SOCKET_WRITE_TIMEOUT_SECONDS", &["0", "601", "x"]),
    ("SOCKET_PING_SECONDS", &["0", "3601", "x"]),
    ("SOCKET_UNANSWERED_PINGS", &["0", "101", "x"]),
    ("SOCKET_BEYOND_TOKEN_SECONDS", &["-1", "31536001", "12h"]),
    ("POSITION_CHECK_SECONDS", &["0", "3601", "x"]),
    ("INBOX_RETENTION_DAYS", &["0", "36501", "x"]),
    ("INBOX_MAX_EVENTS", &["0", "100000001", "x"]),
    ("SHUTDOWN_DELAY_SECONDS", &["-1", "301", "x"]),
    ("SHUTDOWN_SPREAD_SECONDS", &["-1", "301", "x"]),
    ("SHUTDOWN_REQUESTS_SECONDS", &["-1", "301", "x"]),
    (
        "OTLP_ENDPOINT",
        &[
            "127.0.0.1:4318",
            "localhost:4318",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://somebody:something@127.0.0.1:4318",
            "http://127.0.0.1:4318/?key=1",
            "http://127.0.0.1:4318/#1",
        ],
    ),
    ("OTLP_SAMPLE_RATIO", &["-0.1", "1.1", "50%", "NaN", "inf", "x"]),
    ("DEMO", &["maybe", "2"]),
    ("DOCS", &["maybe", "2"]),
    ("METRICS_ADDRESS", &["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:65536"]),
    ("LOG", &["numeneon=loudly", "[[["]),
    ("LOG_FORMAT", &["xml", "JSON"]),
];

/// Settings of which every value is valid; the key has tests of its own.
const ALWAYS_VALID: &[&str] = &["METRICS_TOKEN", "RESERVED_USERNAMES", "SECRET_KEY", "SECRET_KEY_FALLBACKS"];

/// Checks that the program refused to start with one line about this setting, and returns the line.
#[track_caller]
pub fn refused(output: &Output, name: &str) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("a text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    assert!(text.starts_with(&format!("numeneon: {name}: ")), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "one line: {text:?}");
    assert!(text.len() > "numeneon: : \n".len() + name.len() + 5, "the line names the problem: {text}");
    text
}

#[test]
fn each_invalid_value_is_an_error_of_one_line_that_names_the_setting() {
    let folder = TempDir::new().expect("a folder");
    for (name, values) in INVALID {
        for value in *values {
            refused(
                &Program::in_folder(&folder).with("PORT", "0").with("LOG", "off").with(name, value).run(&[]),
                name,
            );
        }
    }
    assert!(!folder.path().join("numeneon.sqlite3-wal").exists(), "no database is left open");
}

#[test]
fn every_setting_is_tested_with_invalid_values() {
    let mut tested: Vec<&str> =
        INVALID.iter().map(|(name, _)| *name).chain(ALWAYS_VALID.iter().copied()).collect();
    let mut defined: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    tested.sort_unstable();
    defined.sort_unstable();
    assert_eq!(tested, defined);
}

#[test]
fn a_setting_that_needs_a_feature_of_the_build_is_an_error_that_names_the_feature() {
    let folder = TempDir::new().expect("a folder");
    let run = |name, value| {
        let program = Program::in_folder(&folder).with("PORT", "0").with("LOG", "off").with(name, value);
        refused(&program.run(&[]), name)
    };
    if !cfg!(feature = "otlp") {
        let text = run("OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(text.contains("cargo build --features otlp\n"), "{text}");
    }
    if !cfg!(feature = "tls") {
        let text = run("OTLP_ENDPOINT", "https://collector.example.org");
        assert!(text.contains("--features otlp,tls"), "{text}");
        let text = run("REDIS_URL", "rediss://cache.example.org");
        assert!(text.contains("`tls`"), "{text}");
    }
}

#[test]
fn migrate_checks_the_settings_too() {
    let folder = TempDir::new().expect("a folder");
    refused(
        &Program::in_folder(&folder).with("DATABASE_POOL_SIZE", "none").run(&["migrate"]),
        "DATABASE_POOL_SIZE",
    );
}

#[test]
fn an_invalid_value_in_the_file_is_an_error_too() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join(".env"), "WORKERS=none\n").expect("a file");
    refused(&Program::in_folder(&folder).run(&[]), "WORKERS");
    std::fs::write(folder.path().join(".env"), "this is not a setting\n").expect("a file");
    let line = refused(&Program::in_folder(&folder).run(&[]), ".env");
    assert!(line.contains("line 1") && !line.contains("setting"), "{line}");
}

#[test]
fn the_file_of_a_parent_folder_is_not_read() {
    let parent = TempDir::new().expect("a folder");
    std::fs::write(parent.path().join(".env"), "WORKERS=none\n").expect("a file");
    let folder = TempDir::new_in(&parent).expect("a folder");
    let output = Program::in_folder(&folder).run(&["migrate"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_database_file_in_a_missing_folder_is_an_error_in_its_url() {
    let folder = TempDir::new().expect("a folder");
    refused(
        &Program::in_folder(&folder).with("DATABASE_URL", "sqlite:///no/such/folder/a.db").run(&[]),
        "DATABASE_URL",
    );
    let given = Program::in_folder(&folder).with("SECRET_KEY", SECRET_KEY).with("PORT", "0");
    refused(&given.with("DATABASE_URL", "sqlite:///no/such/folder/a.db").run(&[]), "DATABASE_URL");
}

#[test]
fn a_database_that_cannot_be_reached_is_an_error_of_one_line() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder).with("SECRET_KEY", SECRET_KEY).with("PORT", "0");
    refused(&program.with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing").run(&[]), "DATABASE_URL");
}

#[test]
fn a_port_that_is_in_use_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    let first = Program::in_folder(&folder).with("PORT", "0").start();
    let second = Program::in_folder(&folder).with("LOG", "off").with("PORT", &first.port().to_string());
    refused(&second.run(&[]), "PORT");
}

#[test]
fn unknown_arguments_are_an_error_of_one_line() {
    let folder = TempDir::new().expect("a folder");
    for arguments in [&["sevre"][..], &["--port", "80"], &["serve", "now"]] {
        let output = Program::in_folder(&folder).run(arguments);
        let text = String::from_utf8(output.stderr).expect("a text");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.contains(arguments[0]) && text.contains("--help"), "{text}");
    }
}
