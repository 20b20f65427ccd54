//! The position check compares what feeds have sent with the last number of their inboxes.
//! It finds a lost *last* envelope, which no later one reveals; and it closes sessions whose
//! account is inactive or whose token is revoked.
//!
//! One query serves many users, and a round over all of them is spread over its period. After
//! payloads of anybody may have been missed, or after the database has recovered, a round runs
//! without that spread; where it is known [whose](super::comparisons) they are, only those users
//! are compared before their turn. While the channel layer is degraded the period is short:
//! events then reach feeds by this check.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{Instant as Deadline, sleep, sleep_until};

use super::comparisons::{Comparisons, Requested};
use super::queries;
use super::roster::Roster;
use crate::channel_layer::ChannelLayer;
use crate::db::Db;
use crate::error::Result;
use crate::ids::UserId;
use crate::telemetry::Metrics;

/// How many users one query reads.
const BATCH: usize = 500;

/// The period while the channel layer is degraded, the pause after a query that failed, and the
/// time after which users are compared again whose transaction is in doubt: a server that has lost
/// its client may still finish the COMMIT.
const SHORT_PERIOD: Duration = Duration::from_secs(1);

/// The task that compares the positions of all sessions of this process.
pub struct PositionCheck {
    roster: Roster,
    layer: ChannelLayer,
    db: Db,
    period: Duration,
    metrics: Metrics,
    layer_recoveries: watch::Receiver<u64>,
    db_recoveries: watch::Receiver<u64>,
    comparisons: Comparisons,
    /// Users to be compared once more, and when.
    again: Option<(Deadline, Vec<UserId>)>,
}

impl PositionCheck {
    /// Returns the task that checks every session of the roster once in each period.
    pub fn new(
        roster: Roster,
        layer: ChannelLayer,
        db: Db,
        period: Duration,
        comparisons: Comparisons,
        metrics: Metrics,
    ) -> Self {
        let (layer_recoveries, db_recoveries) = (layer.recoveries(), db.recoveries());
        Self { roster, layer, db, period, metrics, layer_recoveries, db_recoveries, comparisons, again: None }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        let mut is_urgent = false;
        loop {
            is_urgent = self.round(is_urgent).await;
        }
    }

    /// Checks every session once, without pauses if it is urgent. Returns whether the next
    /// round is.
    ///
    /// Users are checked in the order of their ids, each as they are when their batch is due: so
    /// each has their turn once in a period, also those who have come since the round began.
    async fn round(&mut self, is_urgent: bool) -> bool {
        let batches = self.roster.users_after(None, usize::MAX).len().div_ceil(BATCH).max(1);
        let mut seconds = 0.0;
        let mut last = None;
        loop {
            if !is_urgent && self.pause(batches).await {
                return true;
            }
            let batch = self.roster.users_after(last, BATCH);
            let is_last = batch.len() < BATCH;
            last = batch.last().copied();
            let started = Instant::now();
            if !self.check(batch).await {
                return true;
            }
            seconds += started.elapsed().as_secs_f64();
            if is_last {
                break;
            }
        }
        self.metrics.position_checks.inc();
        self.metrics.position_check_seconds.observe(seconds);
        if is_urgent {
            // Urgent rounds must not follow each other without a pause, whatever has happened
            // meanwhile: the database may be overloaded.
            sleep(SHORT_PERIOD).await;
        }
        false
    }

    /// Compares some users. Returns whether that succeeded; if not, after a pause.
    async fn check(&self, users: Vec<UserId>) -> bool {
        let Err(error) = self.compare(users).await else { return true };
        // The database logs at `warn` when it fails and at `info` when it recovers.
        tracing::debug!(cause = %error, "comparing positions failed; retrying");
        sleep(SHORT_PERIOD).await;
        false
    }

    async fn compare(&self, users: Vec<UserId>) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let checked = users.clone();
        let positions = self.db.read(move |conn| Ok(queries::account_positions(conn, &checked)?)).await?;
        let behind = self.roster.compare(&users, &positions);
        self.metrics.feeds_found_behind.inc_by(behind as u64);
        Ok(())
    }

    /// Waits for one of so many equal parts of the period, and compares meanwhile the users who
    /// are not to wait for their turn. Returns whether something has happened that makes a round
    /// urgent.
    async fn pause(&mut self, parts: usize) -> bool {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        let was_healthy = self.layer.is_healthy();
        let end =
            Deadline::now() + if was_healthy { self.period } else { self.period.min(SHORT_PERIOD) } / parts;
        loop {
            // A layer that becomes degraded ends a long pause.
            let nap = end.min(Deadline::now() + SHORT_PERIOD);
            let again = self.again.as_ref().map_or(end, |(due, _)| *due);
            tokio::select! {
                () = sleep_until(nap.min(again)) => {}
                Ok(()) = self.layer_recoveries.changed() => return true,
                Ok(()) = self.db_recoveries.changed() => return true,
                requested = self.comparisons.next() => {
                    if self.compare_requested(requested).await {
                        return true;
                    }
                }
            }
            let now = Deadline::now();
            if let Some((_, users)) = self.again.take_if(|(due, _)| *due <= now)
                && !self.compare_each(&users).await
            {
                return true;
            }
            if Deadline::now() >= end || (was_healthy && !self.layer.is_healthy()) {
                return false;
            }
        }
    }

    /// Compares the users who were requested, now and once more later. Returns whether everybody
    /// is to be compared instead.
    async fn compare_requested(&mut self, requested: Requested) -> bool {
        let Requested { all, users } = requested;
        let users: Vec<_> = users.into_iter().collect();
        if all || !self.compare_each(&users).await {
            return true;
        }
        let due = Deadline::now() + SHORT_PERIOD;
        match &mut self.again {
            Some((_, others)) => others.extend(users),
            again => *again = Some((due, users)),
        }
        false
    }

    /// Compares users, however many they are. Returns whether that succeeded; if not, after a
    /// pause.
    async fn compare_each(&self, users: &[UserId]) -> bool {
        for batch in users.chunks(BATCH) {
            if !self.check(batch.to_vec()).await {
                return false;
            }
        }
        true
    }
}
