//! Retention deletes envelopes that are too old, or too many, to be replayed: a small
//! batch in each transaction, by one instance at a time.

use std::time::Duration;

use tokio::time::sleep;

use crate::db::Db;
use crate::error::Result;
use crate::events::inbox;
use crate::settings;
use crate::telemetry::Metrics;
use crate::timestamp::Timestamp;

/// How often an instance looks for something to delete.
const PERIOD: Duration = Duration::from_secs(60);

/// The pause between two batches: ten batches of a thousand in a second are more than
/// the service writes, and leave the database to others.
const PAUSE: Duration = Duration::from_millis(100);

/// The task of this instance that deletes old envelopes.
pub struct Retention {
    db: Db,
    bounds: settings::Inbox,
    metrics: Metrics,
}

impl Retention {
    /// Deletes what is beyond these bounds.
    pub fn new(db: Db, bounds: settings::Inbox, metrics: Metrics) -> Self {
        Self { db, bounds, metrics }
    }

    /// Runs until the future is dropped.
    pub async fn run(self) {
        loop {
            match self.batch().await {
                Ok(deleted) if deleted >= inbox::PRUNE_BATCH => sleep(PAUSE).await,
                Ok(_) => sleep(PERIOD).await,
                Err(error) => {
                    tracing::debug!(cause = %error, "old events stay for now");
                    sleep(PERIOD).await;
                }
            }
        }
    }

    /// Deletes one batch and returns how many envelopes that was.
    ///
    /// # Errors
    ///
    /// The database's own.
    pub async fn batch(&self) -> Result<usize> {
        let bounds = self.bounds;
        let act =
            move |conn: &mut crate::db::AnyConnection| Ok(inbox::prune(conn, &bounds, Timestamp::now())?);
        let deleted = self.db.transaction(act, |outcome| outcome).await?;
        self.metrics.events_pruned.inc_by(deleted as u64);
        Ok(deleted)
    }
}
