//! Reliability: no acknowledged event is lost whatever is killed, shutdowns are graceful, and slow
//! clients do not affect others.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod degradations;
mod descriptors;
mod event_recovery;
mod kept_connections;
mod observability;
#[path = "../support/private_redis.rs"]
mod private_redis;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod shared_redis;
mod shutdown;
mod slow_clients;
mod slow_reader;
#[path = "../support/mod.rs"]
mod support;

use support::{system, wait};
