//! Integrations are other backends that announce events to the users of this one, for
//! instance the service that stores posts and stories.
//!
//! An [`Integration`] authenticates with its service key. What it announces is delivered in
//! the same order, under the same numbers and with the same promises as everything else,
//! and is stored and sent as it came.

mod announcements;
mod commands;
pub mod http;
mod integration;
mod model;
mod queries;

pub use announcements::Announcements;
pub use integration::{Integration, ServiceKeys, require};
pub use model::AnnouncementRequest;
