//! [`Shared`] is what all sessions of an instance have in common: one pointer in each.

use super::model::AccountPosition;
use super::queries;
use crate::db::Db;
use crate::error::Result;
use crate::ids::UserId;
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

impl Shared {
    /// Returns the account position of a user, if they exist. Every handshake reads it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(super) async fn position(&self, user: UserId) -> Result<Option<AccountPosition>> {
        let read = self.db.read_in_background(move |conn| Ok(queries::account_positions(conn, &[user])?));
        Ok(read.await?.first().copied())
    }
}
