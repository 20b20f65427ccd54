//! The channel layer: one suite that every backend passes, and tests of the Redis backend.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod installations;
mod pair;
#[path = "../support/private_redis.rs"]
mod private_redis;
#[path = "../support/proxy.rs"]
mod proxy;
mod redis_groups;
mod redis_outages;
mod redis_roles;
#[path = "../support/redaction.rs"]
mod redaction;
#[path = "../support/system.rs"]
mod system;
#[path = "../support/wait.rs"]
mod wait;
