//! [`Shared`] is what all sessions of an instance have in common: one pointer in each.

use crate::db::Db;
use crate::settings::Socket;
use crate::telemetry::Metrics;

/// What all sessions of an instance have in common.
pub struct Shared {
    /// Stores the inboxes.
    pub db: Db,
    /// The bounds of a socket.
    pub settings: Socket,
    /// What the service counts.
    pub metrics: Metrics,
}
