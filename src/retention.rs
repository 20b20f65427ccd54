//! Retention deletes what is kept for a time only: envelopes that are too old, or too
//! many, to be replayed, spent tokens that would have expired by now, and the keys under
//! which services were answered. A small batch of each in one transaction, by one instance
//! at a time.

use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Bool};
use tokio::time::sleep;

use crate::accounts::admission;
use crate::db::{AnyConnection, Db, Query};
use crate::error::Result;
use crate::events::inbox;
use crate::telemetry::Metrics;
use crate::timestamp::Timestamp;
use crate::{services, settings};

/// How often an instance looks for something to delete.
const PERIOD: Duration = Duration::from_secs(60);

/// The pause between two batches: ten batches of a thousand in a second are more than
/// the service writes, and leave the database to others.
const PAUSE: Duration = Duration::from_millis(100);

/// The number of the advisory lock that one pruning instance holds.
const PRUNE_LOCK: i64 = 0x6e75_6d65_7072_756e;

/// The task of this instance that deletes what is too old.
pub struct Retention {
    db: Db,
    bounds: settings::Inbox,
    metrics: Metrics,
}

/// How many rows of each kind were deleted.
#[derive(Default)]
struct Deleted {
    events: usize,
    tokens: usize,
    keys: usize,
}

impl Deleted {
    /// Whether a batch was full, so that more may be waiting.
    const fn is_more(&self) -> bool {
        self.events >= inbox::PRUNE_BATCH
            || self.tokens >= admission::PRUNE_BATCH
            || self.keys >= services::PRUNE_BATCH
    }
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
                Ok(deleted) if deleted.is_more() => sleep(PAUSE).await,
                Ok(_) => sleep(PERIOD).await,
                Err(error) => {
                    tracing::debug!(cause = %error, "what is too old stays for now");
                    sleep(PERIOD).await;
                }
            }
        }
    }

    async fn batch(&self) -> Result<Deleted> {
        let bounds = self.bounds;
        let act = move |conn: &mut AnyConnection| {
            if !take_turn(conn)? {
                return Ok(Deleted::default());
            }
            let now = Timestamp::now();
            Ok(Deleted {
                events: inbox::prune(conn, &bounds, now)?,
                tokens: admission::prune(conn, now)?,
                keys: services::prune(conn, now)?,
            })
        };
        let deleted = self.db.transaction(act, |outcome| outcome).await?;
        self.metrics.events_pruned.inc_by(deleted.events as u64);
        Ok(deleted)
    }
}

/// Returns whether no other instance is at it, and keeps the others out until the
/// transaction ends. SQLite has one instance.
fn take_turn(conn: &mut AnyConnection) -> Query<bool> {
    #[derive(diesel::QueryableByName)]
    struct Turn {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    if matches!(conn, AnyConnection::Sqlite(_)) {
        return Ok(true);
    }
    let turn = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS taken")
        .bind::<BigInt, _>(PRUNE_LOCK)
        .get_result::<Turn>(conn)?;
    Ok(turn.taken)
}
