//! Retention deletes what is kept for a time only, a small batch in each transaction:
//! envelopes that are too old, or too many, to be replayed, and spent tokens that would
//! have expired by now.

use std::time::Duration;

use tokio::time::sleep;

use crate::accounts::admission;
use crate::db::{AnyConnection, Db};
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

/// As many rows as this mean that there may be more.
const BATCH: usize =
    if inbox::PRUNE_BATCH < admission::PRUNE_BATCH { inbox::PRUNE_BATCH } else { admission::PRUNE_BATCH };

/// The task of this instance that deletes what is too old.
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
                Ok(deleted) if deleted >= BATCH => sleep(PAUSE).await,
                Ok(_) => sleep(PERIOD).await,
                Err(error) => {
                    tracing::debug!(cause = %error, "what is too old stays for now");
                    sleep(PERIOD).await;
                }
            }
        }
    }

    /// Deletes one batch of each kind and returns how many rows that was.
    ///
    /// # Errors
    ///
    /// The database's own.
    pub async fn batch(&self) -> Result<usize> {
        let bounds = self.bounds;
        let act = move |conn: &mut AnyConnection| {
            let now = Timestamp::now();
            Ok((inbox::prune(conn, &bounds, now)?, admission::prune(conn, now)?))
        };
        let (events, tokens) = self.db.transaction(act, |outcome| outcome).await?;
        self.metrics.events_pruned.inc_by(events as u64);
        Ok(events + tokens)
    }
}
