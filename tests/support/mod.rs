//! The environment of the tests: real instances of the service within this process, over a
//! real database, reached only over HTTP and WebSockets.
//!
//! Each test has a [`Stage`] of its own. It shares nothing with other tests but the two
//! servers, PostgreSQL and Redis: the database is created for the test, and the ids of its
//! users are in use by no other test.

#![allow(dead_code, unused_imports, unused_macros, reason = "each test binary uses its part of this")]

mod asyncapi;
mod database;
mod instance;
pub mod logs;
mod person;
mod redaction;
mod redis;
mod request;
mod socket;
mod stage;
pub mod system;
mod token;
pub mod wait;

pub use asyncapi::description;
pub use database::Database;
pub use instance::Instance;
pub use person::{PASSWORD, Person};
pub use redaction::{REDACTED, redact, redact_panics};
pub use redis::{redis_publish, subscribers, url as redis_url};
pub use request::{Request, Response};
pub use socket::{Handshake, Socket};
pub(crate) use stage::both_modes;
pub use stage::{Cluster, Mode, Stage, Standalone};
pub use token::{claims, forge, forge_with, seconds_now};
pub use wait::{TIMEOUT, until};

/// The key with which instances sign tokens.
pub const SECRET_KEY: &str = "a key for tests, and for nothing else at all";

/// Rate limits are off, except in the tests of rate limits.
pub const NO_LIMITS: &[(&str, &str)] = &[
    ("LIMIT_FAILED_LOGINS_BY_EMAIL", "off"),
    ("LIMIT_FAILED_LOGINS_BY_ADDRESS", "off"),
    ("LIMIT_LOGINS_BY_EMAIL_AND_ADDRESS", "off"),
    ("LIMIT_SIGNUPS_BY_ADDRESS", "off"),
    ("LIMIT_MESSAGES_BY_PERSON", "off"),
    ("LIMIT_FRIEND_REQUESTS_BY_PERSON", "off"),
    ("LIMIT_POSTS_BY_PERSON", "off"),
    ("LIMIT_REACTIONS_BY_PERSON", "off"),
    ("LIMIT_CONNECTS_BY_ADDRESS", "off"),
    ("LIMIT_FRAMES_BY_SOCKET", "off"),
    ("MAX_SOCKETS_BY_PERSON", "1000000"),
];

/// Timeouts of the database that a busy machine does not reach, except in the tests of them.
pub const LONG_DATABASE_TIMEOUTS: &[(&str, &str)] = &[
    ("DATABASE_WAIT_MS", "30000"),
    ("DATABASE_CONNECT_TIMEOUT_SECONDS", "30"),
    ("DATABASE_LOCK_TIMEOUT_MS", "30000"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "30000"),
];

/// Checks that a value is a recent time in the format of the contract,
/// `2026-11-22T20:27:54.035641Z`.
#[track_caller]
pub fn assert_timestamp(value: &serde_json::Value) {
    let text = value.as_str().unwrap_or_default();
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.6fZ");
    let time = time.unwrap_or_else(|error| panic!("{value}: {error}"));
    assert_eq!(text.len(), "2026-11-22T20:27:54.035641Z".len(), "{value}");
    let age = seconds_now() - time.and_utc().timestamp();
    assert!((-1..3600).contains(&age), "{value} is {age} s ago");
}
