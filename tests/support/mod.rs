//! The stage on which tests play: real instances of the service, within this process,
//! over a real database, reached over HTTP and sockets only.
//!
//! Each test has a [`Stage`] of its own and shares nothing with another but the two
//! servers, PostgreSQL and Redis: the database is made for it, and its people have
//! ids that no other test's people have.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part of this")]

mod request;
mod database;
mod asyncapi;
mod instance;
pub mod logs;
mod person;
mod redis;
mod socket;
mod stage;
mod token;

use std::time::Duration;

pub use asyncapi::description;
pub use database::Database;
pub use instance::Instance;
pub use person::{PASSWORD, Person};
pub use redis::{redis_publish, subscribers, url as redis_url};
pub use request::{Answer, Call};
pub use socket::{Dial, Socket, until};
pub use stage::{Cluster, Kind, Laptop, Stage};
pub use token::{claims, forge, forge_with, seconds_now};

/// How long anything may take that a test waits for. Far longer than it takes, so that
/// a busy machine fails no test.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What instances sign tokens with.
pub const SECRET_KEY: &str = "a key for tests, and for nothing else at all";

/// What instances do without unless a test is about it.
pub const NO_LIMITS: &[(&str, &str)] = &[
    ("LIMIT_FAILED_LOGINS_BY_EMAIL", "off"),
    ("LIMIT_FAILED_LOGINS_BY_ADDRESS", "off"),
    ("LIMIT_SIGNUPS_BY_ADDRESS", "off"),
    ("LIMIT_MESSAGES_BY_PERSON", "off"),
    ("LIMIT_FRIEND_REQUESTS_BY_PERSON", "off"),
    ("LIMIT_CONNECTS_BY_ADDRESS", "off"),
    ("LIMIT_FRAMES_BY_SOCKET", "off"),
    ("MAX_SOCKETS_BY_PERSON", "1000000"),
];

/// Checks that it is a moment as the contract writes one, `2026-11-22T20:27:54.035641Z`,
/// and a recent one.
#[track_caller]
pub fn assert_timestamp(value: &serde_json::Value) {
    let text = value.as_str().unwrap_or_default();
    let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.6fZ");
    let moment = moment.unwrap_or_else(|error| panic!("{value}: {error}"));
    assert_eq!(text.len(), "2026-11-22T20:27:54.035641Z".len(), "{value}");
    let age = seconds_now() - moment.and_utc().timestamp();
    assert!((-1..3600).contains(&age), "{value} is {age} s ago");
}
