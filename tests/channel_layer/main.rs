//! What the channel layer promises: one suite that every backend runs, and what is
//! Redis' own.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod pair;
#[path = "../support/private_redis.rs"]
mod private_redis;
#[path = "../support/proxy.rs"]
mod proxy;
mod redis_groups;
mod redis_outages;
#[path = "../support/wait.rs"]
mod wait;
