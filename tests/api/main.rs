//! The contract, tested from outside: over HTTP and sockets, on one instance with
//! SQLite and on two with PostgreSQL and Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod access_tokens;
mod async_description;
mod async_ends;
mod bodies;
mod description;
mod django;
mod edge;
mod endings;
mod events;
mod finding_people;
mod foreign_frames;
mod friend_races;
mod friends;
mod handshake;
mod inbox;
mod limits;
mod login;
mod messages_lists;
mod messages_read;
mod messages_send;
mod metrics;
mod paths;
mod profile;
mod refresh;
mod resume;
mod service_keys;
mod services;
mod sessions_end;
mod signup;
mod socket_limits;
mod talk;
mod tickets;
