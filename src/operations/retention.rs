//! Retention deletes what is stored for a time only: envelopes beyond the bounds of an inbox,
//! redeemed tokens that have expired, old idempotency keys, and expired stories.
//!
//! Each of these is a [`Part`]. It deletes a small batch in a transaction of its own, on one instance
//! at a time, and again at once while there is more; one that waits for a lock delays no other. What
//! is old is decided by the database's clock.

use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Bool};
use tokio::time::sleep;

use crate::auth::revocation;
use crate::db::{self, AnyConnection, Db, End, LockWait, Query};
use crate::error::Result;
use crate::events::inbox;
use crate::telemetry::{Degradation, Metrics};
use crate::timestamp::Timestamp;
use crate::{idempotency, settings, stories};

/// How often an instance looks for something to delete.
const PERIOD: Duration = Duration::from_secs(60);

/// The shortest pause between two batches of a part. A longer one takes as long as the batch did, so
/// that half of the time is left to others; what is deleted is still several times what the
/// service writes.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// How far the next look goes back before the beginning of the last one: further than the
/// clocks of instances differ, and than a transaction lasts.
const OVERLAP_MINUTES: u32 = 5;

/// How much older than the bound an envelope is when retention is behind: many periods.
const BEHIND_SECONDS: i64 = 3_600;

/// The number of the advisory lock that one pruning instance holds for the first part; those of the
/// others follow.
const PRUNE_LOCK: i64 = 0x6e75_6d65_7072_756e;

/// What is deleted in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    OldEvents,
    ExcessEvents,
    Tokens,
    Keys,
    Stories,
}

impl Part {
    const ALL: [Self; 5] = [Self::OldEvents, Self::ExcessEvents, Self::Tokens, Self::Keys, Self::Stories];

    /// Returns the most rows that one batch deletes.
    const fn batch(self) -> usize {
        match self {
            Self::OldEvents | Self::ExcessEvents => inbox::PRUNE_BATCH,
            Self::Tokens => revocation::PRUNE_BATCH,
            Self::Keys => idempotency::PRUNE_BATCH,
            Self::Stories => stories::PRUNE_BATCH,
        }
    }
}

/// The task of this instance that deletes what is beyond the bounds.
pub struct Retention {
    db: Db,
    bounds: settings::Inbox,
    metrics: Metrics,
    /// Inboxes without a newer event were looked at; none before the first look.
    checked: Option<Timestamp>,
    behind: Degradation,
}

/// What one batch did.
struct Deleted {
    rows: usize,
    /// When it began, by the database's clock; none if another instance was the one to look.
    looked_at: Option<Timestamp>,
}

impl Retention {
    /// Deletes what is beyond these bounds.
    pub fn new(db: Db, bounds: settings::Inbox, metrics: Metrics) -> Self {
        Self { db, bounds, metrics, checked: None, behind: Degradation::default() }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        loop {
            for part in Part::ALL {
                if let Err(error) = self.delete_all(part).await {
                    tracing::warn!(part = ?part, cause = %error, "retention failed; retrying next period");
                }
            }
            if let Err(error) = self.measure().await {
                tracing::debug!(cause = %error, "reading the age of the oldest event failed");
            }
            sleep(PERIOD).await;
        }
    }

    /// Deletes batches of a part until one is not full.
    async fn delete_all(&mut self, part: Part) -> Result<()> {
        loop {
            let started = Instant::now();
            let Deleted { rows, looked_at } = self.delete_batch(part).await?;
            if matches!(part, Part::OldEvents | Part::ExcessEvents) {
                self.metrics.events_pruned.inc_by(rows as u64);
            }
            if rows < part.batch() {
                if let (Part::ExcessEvents, Some(now)) = (part, looked_at) {
                    self.checked = Some(now.minutes_before(OVERLAP_MINUTES));
                }
                return Ok(());
            }
            sleep(started.elapsed().max(MIN_PAUSE)).await;
        }
    }

    async fn delete_batch(&self, part: Part) -> Result<Deleted> {
        let (bounds, checked) = (self.bounds, self.checked);
        let act = move |conn: &mut AnyConnection| {
            if !try_lock(conn, PRUNE_LOCK + part as i64)? {
                return Ok(Deleted { rows: 0, looked_at: None });
            }
            let now = db::now(conn)?;
            let rows = match part {
                Part::OldEvents => inbox::prune_old(conn, &bounds, now)?,
                Part::ExcessEvents => inbox::prune_excess(conn, &bounds, now, checked)?,
                Part::Tokens => revocation::prune(conn, now)?,
                Part::Keys => idempotency::prune(conn, now)?,
                Part::Stories => stories::prune(conn, now)?,
            };
            Ok(Deleted { rows, looked_at: Some(now) })
        };
        // A lock that is held longer than for a moment is waited for in the next period.
        self.db.transaction_batch(self.db.wait_deadline(), LockWait::Short, act, End::into_result).await
    }

    /// Reports how old the oldest event is.
    async fn measure(&self) -> Result<()> {
        let age = self.db.read(|conn| {
            let (now, oldest) = (db::now(conn)?, inbox::oldest(conn)?);
            Ok(oldest.map_or(0, |oldest| now.seconds_since(oldest).max(0)))
        });
        let seconds = age.await?;
        self.metrics.oldest_event_seconds.set(seconds);
        if seconds <= i64::from(self.bounds.retention_days) * 86_400 + BEHIND_SECONDS {
            if self.behind.end() {
                tracing::info!("retention has caught up");
            }
        } else if self.behind.begin("behind") {
            tracing::warn!(
                cause = %format!("the oldest event is {seconds} s old"),
                "retention is behind; events are kept longer than INBOX_RETENTION_DAYS"
            );
        }
        Ok(())
    }
}

/// Takes the lock that one pruning instance holds until its transaction ends. Returns whether
/// it was free. SQLite has one instance.
fn try_lock(conn: &mut AnyConnection, number: i64) -> Query<bool> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_taken: bool,
    }
    if matches!(conn, AnyConnection::Sqlite(_)) {
        return Ok(true);
    }
    let row = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_taken")
        .bind::<BigInt, _>(number)
        .get_result::<Row>(conn)?;
    Ok(row.is_taken)
}
