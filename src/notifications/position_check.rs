//! The position check compares what feeds have sent with the last number of their inboxes.
//! It finds a lost *last* envelope, which no later one reveals; and it closes sessions whose
//! account is inactive or whose token is revoked.
//!
//! One query serves many users, and a round over all of them is spread over its period.
//! After payloads may have been missed, or after the database has recovered, a round runs
//! without that spread. While the channel layer is degraded the period is short: events then
//! reach feeds by this check.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::queries;
use super::roster::Roster;
use crate::channel_layer::ChannelLayer;
use crate::db::Db;
use crate::error::Result;
use crate::ids::UserId;
use crate::telemetry::Metrics;

/// How many users one query reads.
const BATCH: usize = 500;

/// The period while the channel layer is degraded, and the pause after a query that failed.
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
}

impl PositionCheck {
    /// Returns the task that checks every session of the roster once in each period.
    pub fn new(roster: Roster, layer: ChannelLayer, db: Db, period: Duration, metrics: Metrics) -> Self {
        let (layer_recoveries, db_recoveries) = (layer.recoveries(), db.recoveries());
        Self { roster, layer, db, period, metrics, layer_recoveries, db_recoveries }
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
    async fn round(&mut self, is_urgent: bool) -> bool {
        let users = self.roster.users();
        let batches = users.len().div_ceil(BATCH).max(1);
        let mut seconds = 0.0;
        for batch in 0..batches {
            let batch = users.iter().copied().skip(batch * BATCH).take(BATCH).collect::<Vec<_>>();
            let started = Instant::now();
            if let Err(error) = self.check(batch).await {
                // The database logs at `warn` when it fails and at `info` when it recovers.
                tracing::debug!(cause = %error, "comparing positions failed; retrying");
                sleep(SHORT_PERIOD).await;
                return true;
            }
            seconds += started.elapsed().as_secs_f64();
            if !is_urgent && self.pause(batches).await {
                return true;
            }
        }
        self.metrics.position_checks.inc();
        self.metrics.position_check_seconds.observe(seconds);
        if !is_urgent {
            return false;
        }
        // Urgent rounds must not follow each other without a pause, whatever has happened
        // meanwhile: the database may be overloaded.
        sleep(SHORT_PERIOD).await;
        self.pause(1).await
    }

    async fn check(&self, users: Vec<UserId>) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let checked = users.clone();
        let positions = self.db.read(move |conn| Ok(queries::account_positions(conn, &checked)?)).await?;
        let behind = self.roster.compare(&users, &positions);
        self.metrics.feeds_found_behind.inc_by(behind as u64);
        Ok(())
    }

    /// Waits for one of so many equal parts of the period. Returns whether something has
    /// happened meanwhile that makes a round urgent.
    async fn pause(&mut self, parts: usize) -> bool {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        let was_healthy = self.layer.is_healthy();
        let mut left = if was_healthy { self.period } else { self.period.min(SHORT_PERIOD) } / parts;
        loop {
            // A layer that becomes degraded ends a long pause.
            let nap = left.min(SHORT_PERIOD);
            tokio::select! {
                () = sleep(nap) => {}
                Ok(()) = self.layer_recoveries.changed() => return true,
                Ok(()) = self.db_recoveries.changed() => return true,
            }
            left -= nap;
            if left.is_zero() || (was_healthy && !self.layer.is_healthy()) {
                return false;
            }
        }
    }
}
