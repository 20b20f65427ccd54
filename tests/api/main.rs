//! The contract, tested from outside: over HTTP and sockets, on one instance with
//! SQLite and on two with PostgreSQL and Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod access_tokens;
mod asyncapi_closes;
mod asyncapi_frames;
mod bodies;
mod client_frames;
mod conversations;
mod django;
mod events;
mod external_publishers;
mod fairness;
mod friend_races;
mod friends;
mod handshake;
mod idempotency;
mod inbox;
mod integration_requests;
mod integrations;
mod lifted_numbers;
mod limits;
mod login;
mod messages_batches;
mod messages_lists;
mod messages_read;
mod messages_send;
mod metrics;
mod middleware;
mod openapi;
mod posts_change;
mod posts_events;
mod posts_lists;
mod posts_mentions;
mod posts_react;
mod posts_write;
mod profile;
mod redaction;
mod refresh;
mod resume;
mod revocation;
mod routes;
mod search;
mod sign_ins;
mod signup;
mod socket_lifetime;
mod socket_limits;
mod stories;
mod tickets;
