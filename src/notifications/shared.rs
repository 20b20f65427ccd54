//! [`Shared`] is what all sessions of an instance have in common: one pointer in each.

use super::model::AccountPosition;
use super::queries;
use crate::db::{BatchedRead, Db};
use crate::ids::UserId;
use crate::settings::Socket;
use crate::telemetry::Metrics;

/// What all sessions of an instance have in common.
pub struct Shared {
    /// Stores the inboxes.
    pub db: Db,
    /// The positions that handshakes read.
    pub(super) positions: BatchedRead<UserId, AccountPosition>,
    /// The bounds of a socket.
    pub settings: Socket,
    /// What the service counts.
    pub metrics: Metrics,
}

impl Shared {
    /// Returns what sessions of this database have in common.
    pub fn new(db: Db, settings: Socket, metrics: Metrics) -> Self {
        let positions = BatchedRead::new(&db, |conn, users| {
            let positions = queries::account_positions(conn, users)?.into_iter();
            Ok(positions.map(|position| (position.user, position)).collect())
        });
        Self { db, positions, settings, metrics }
    }
}
