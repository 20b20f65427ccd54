//! Nothing acknowledged is lost, whatever is killed: events heal, stops are graceful,
//! and who does not read costs only themselves.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod degradations;
mod event_recovery;
mod kept_connections;
#[path = "../support/private_redis.rs"]
mod private_redis;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod slow_clients;
mod slow_reader;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/wait.rs"]
mod wait;
mod observability;
