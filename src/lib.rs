//! Numeneon: the live side of a social app. People, friend requests, direct messages, and
//! an instant feed of everything that concerns a person.
//!
//! The modules below are in the order of their dependencies: each uses only those above it,
//! which `tests/architecture` checks. `docs/architecture.md` has the glossary and the paths
//! of a message, a connect and a stop.

#![forbid(unsafe_code)]

/// The reason why a request was not done, by kind.
pub mod error;
/// Ids of users, messages and friend requests, each a type of its own.
pub mod ids;
/// Comparing secrets in constant time.
pub mod secret;
/// A moment in UTC, as it is stored and serialized.
pub mod timestamp;
/// Everything that an operator configures, read once at start.
pub mod settings;
/// Log lines, metrics and traces.
pub mod telemetry;

/// The TCP side of the HTTP server: the port, and the bounds of a connection.
pub mod server;
/// The body, query and origin of a request, and the response to one that was not done.
pub mod request;

/// The database: its tables, connections, transactions and migrations.
pub mod db;
/// Carries bytes between processes to groups of subscriptions.
pub mod channel_layer;
/// Rate limits, by user, email and address.
pub mod limits;
/// Events, the inboxes that store them, and the unit of work that commits and publishes them.
pub mod events;

/// Authentication: passwords, tokens and their revocation.
pub mod auth;
/// Signing up, profiles, and finding people.
pub mod accounts;
/// Friend requests and friendships.
pub mod friends;
/// Direct messages between two users.
pub mod messages;
/// Announcements of other backends.
pub mod integrations;
/// The live feed of a user's inbox over a WebSocket, and the inbox over REST.
pub mod notifications;

/// Health checks, retention, the metrics server, and changes by an operator.
pub mod operations;
/// Every URL, what all requests pass, and the description of the API.
pub mod api;
/// One instance: start, serve, stop.
pub mod app;
/// Every parser of what comes from outside, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
