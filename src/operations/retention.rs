//! Retention deletes what is stored for a time only: envelopes beyond the bounds of an inbox,
//! redeemed tokens that have expired, old idempotency keys, and expired stories. It deletes a small batch of
//! each in one transaction, on one instance at a time.

use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Bool};
use tokio::time::sleep;

use crate::auth::revocation;
use crate::db::{AnyConnection, Db, End, Query};
use crate::error::Result;
use crate::events::inbox;
use crate::telemetry::Metrics;
use crate::timestamp::Timestamp;
use crate::{idempotency, settings, stories};

/// How often an instance looks for something to delete.
const PERIOD: Duration = Duration::from_secs(60);

/// The pause between two batches: ten batches of a thousand in a second are more than
/// the service writes, and leave the database to others.
const PAUSE: Duration = Duration::from_millis(100);

/// How far the next look goes back before the beginning of the last one: further than the
/// clocks of instances differ, and than a transaction lasts.
const OVERLAP_MINUTES: u32 = 5;

/// The number of the advisory lock that one pruning instance holds.
const PRUNE_LOCK: i64 = 0x6e75_6d65_7072_756e;

/// The task of this instance that deletes what is beyond the bounds.
pub struct Retention {
    db: Db,
    bounds: settings::Inbox,
    metrics: Metrics,
    /// Inboxes without a newer event were looked at; none before the first look.
    checked: Option<Timestamp>,
}

/// How many rows of each kind were deleted.
#[derive(Default)]
struct Deleted {
    events: usize,
    tokens: usize,
    keys: usize,
    stories: usize,
    /// Whether this instance was the one to look.
    has_looked: bool,
}

impl Deleted {
    /// Returns whether a batch was full, so that there may be more to delete.
    const fn is_more(&self) -> bool {
        self.events >= inbox::PRUNE_BATCH
            || self.tokens >= revocation::PRUNE_BATCH
            || self.keys >= idempotency::PRUNE_BATCH
            || self.stories >= stories::PRUNE_BATCH
    }
}

impl Retention {
    /// Deletes what is beyond these bounds.
    pub fn new(db: Db, bounds: settings::Inbox, metrics: Metrics) -> Self {
        Self { db, bounds, metrics, checked: None }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        loop {
            match self.batch().await {
                Ok(deleted) if deleted.is_more() => sleep(PAUSE).await,
                Ok(_) => sleep(PERIOD).await,
                Err(error) => {
                    tracing::warn!(cause = %error, "retention failed; retrying next period");
                    sleep(PERIOD).await;
                }
            }
        }
    }

    async fn batch(&mut self) -> Result<Deleted> {
        let (bounds, checked, now) = (self.bounds, self.checked, Timestamp::now());
        let act = move |conn: &mut AnyConnection| {
            if !try_lock(conn)? {
                return Ok(Deleted::default());
            }
            Ok(Deleted {
                has_looked: true,
                events: inbox::prune(conn, &bounds, now, checked)?,
                tokens: revocation::prune(conn, now)?,
                keys: idempotency::prune(conn, now)?,
                stories: stories::prune(conn, now)?,
            })
        };
        let deleted = self.db.transaction(act, End::into_result).await?;
        if deleted.has_looked && deleted.events < inbox::PRUNE_BATCH {
            self.checked = Some(now.minutes_before(OVERLAP_MINUTES));
        }
        self.metrics.events_pruned.inc_by(deleted.events as u64);
        Ok(deleted)
    }
}

/// Takes the lock that one pruning instance holds until its transaction ends. Returns whether
/// it was free. SQLite has one instance.
fn try_lock(conn: &mut AnyConnection) -> Query<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_taken: bool,
    }
    if matches!(conn, AnyConnection::Sqlite(_)) {
        return Ok(true);
    }
    let row = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_taken")
        .bind::<BigInt, _>(PRUNE_LOCK)
        .get_result::<Row>(conn)?;
    Ok(row.is_taken)
}
