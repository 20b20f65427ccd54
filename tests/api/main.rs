//! The contract, tested from outside: over HTTP and sockets, on one instance with
//! SQLite and on two with PostgreSQL and Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod events;
mod messages_send;
