//! Numeneon: the live side of a social app. People, friend requests, direct messages, and
//! an instant feed of everything that concerns a person.
//!
//! The modules below are in the order of their dependencies: each uses only those above it,
//! which `tests/architecture` checks. `docs/architecture.md` has the glossary and the paths
//! of a message, a connect and a stop.
//!
//! - [`error`]: the reason why a request was not done, by kind.
//! - [`ids`]: ids of users, messages, posts, stories and friend
//!   requests, each a type of its own.
//! - [`secret`]: comparing secrets in constant time.
//! - [`timestamp`]: a moment in UTC, as it is stored and serialized.
//! - [`settings`]: everything that an operator configures, read once at start.
//! - [`telemetry`]: log lines, metrics and traces.
//! - [`batching`]: runs at once what waits at the same moment.
//! - [`server`]: the TCP side of the HTTP server: the port, and the bounds of a connection.
//! - [`request`]: the body, query and origin of a request, and the response to one that was not
//!   done.
//! - [`db`]: the database: its tables, connections, transactions and migrations, and the mark of
//!   its installation.
//! - [`channel_layer`]: carries bytes between processes to groups of subscriptions.
//! - [`limits`]: rate limits, by user, email and address.
//! - [`idempotency`]: carries a request with a key out once.
//! - [`events`]: events, the inboxes that store them, and the unit of work that commits and
//!   publishes them.
//! - [`auth`]: authentication: passwords, tokens and their revocation.
//! - [`accounts`]: signing up, profiles, and finding people.
//! - [`friends`]: friend requests and friendships.
//! - [`posts`]: posts, replies, walls, likes and shares.
//! - [`stories`]: stories, which expire, views and reactions.
//! - [`messages`]: direct messages between two users.
//! - [`integrations`]: announcements of other backends.
//! - [`notifications`]: the live feed of a user's inbox over a WebSocket, and the inbox over
//!   REST.
//! - [`operations`]: health checks, retention, the metrics server, and changes by an operator.
//! - [`api`]: every URL, what all requests pass, and the description of the API.
//! - [`app`]: one instance: start, serve, stop.
//! - `fuzzing`: every parser of what comes from outside, for the fuzz targets.

#![forbid(unsafe_code)]

pub mod error;
pub mod ids;
pub mod secret;
pub mod timestamp;
pub mod settings;
pub mod telemetry;
pub mod batching;

pub mod server;
pub mod request;

pub mod db;
pub mod channel_layer;
pub mod limits;
pub mod idempotency;
pub mod events;

pub mod auth;
pub mod accounts;
pub mod friends;
pub mod posts;
pub mod stories;
pub mod messages;
pub mod integrations;
pub mod notifications;

pub mod operations;
pub mod api;
pub mod app;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
