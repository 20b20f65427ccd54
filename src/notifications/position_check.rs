//! The position check compares what feeds have passed on with what their inboxes
//! hold. It finds the lost *last* envelope, which no later one reveals.
//!
//! One query serves many people, and a round is spread over its period. When payloads
//! may have been missed, or the database has come back, a round runs at once. While
//! the channel layer is broken, rounds are short: then they are how events arrive.

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

/// People in one query.
const BATCH: usize = 500;

/// The period while the channel layer is broken, and the pause after a query that
/// failed.
const SHORT_PERIOD: Duration = Duration::from_secs(1);

/// The task of this instance that compares positions.
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
    /// Checks every session of the roster once in each period.
    pub fn new(roster: Roster, layer: ChannelLayer, db: Db, period: Duration, metrics: Metrics) -> Self {
        let (layer_recoveries, db_recoveries) = (layer.recoveries(), db.recoveries());
        Self { roster, layer, db, period, metrics, layer_recoveries, db_recoveries }
    }

    /// Runs until the future is dropped.
    pub async fn run(mut self) {
        let mut at_once = false;
        loop {
            at_once = self.round(at_once).await;
        }
    }

    /// Checks everybody once. Returns whether the next round is to run at once.
    async fn round(&mut self, at_once: bool) -> bool {
        let people = self.roster.people();
        let batches = people.len().div_ceil(BATCH).max(1);
        let mut seconds = 0.0;
        for batch in 0..batches {
            let batch = people.iter().copied().skip(batch * BATCH).take(BATCH).collect::<Vec<_>>();
            let started = Instant::now();
            if let Err(error) = self.check(batch).await {
                tracing::debug!(cause = %error, "positions cannot be compared yet");
                sleep(SHORT_PERIOD).await;
                return true;
            }
            seconds += started.elapsed().as_secs_f64();
            if !at_once && self.pause(batches).await {
                return true;
            }
        }
        self.metrics.position_checks.inc();
        self.metrics.position_check_seconds.observe(seconds);
        if !at_once {
            return false;
        }
        // Whatever has happened meanwhile: rounds at once must not follow each other
        // without rest, least of all over a database that has too much to do.
        sleep(SHORT_PERIOD).await;
        self.pause(1).await
    }

    async fn check(&self, people: Vec<UserId>) -> Result<()> {
        if people.is_empty() {
            return Ok(());
        }
        let asked = people.clone();
        let standings = self.db.read(move |conn| Ok(queries::standings(conn, &asked)?)).await?;
        let behind = self.roster.compare(&people, &standings);
        self.metrics.feeds_found_behind.inc_by(behind as u64);
        Ok(())
    }

    /// Waits for one of so many parts of the period. Returns whether something
    /// happened meanwhile that asks for a round at once.
    async fn pause(&mut self, parts: usize) -> bool {
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        let whole = self.layer.is_healthy();
        let mut left = if whole { self.period } else { self.period.min(SHORT_PERIOD) } / parts;
        loop {
            // A layer that breaks during a long pause ends it.
            let nap = left.min(SHORT_PERIOD);
            tokio::select! {
                () = sleep(nap) => {}
                Ok(()) = self.layer_recoveries.changed() => return true,
                Ok(()) = self.db_recoveries.changed() => return true,
            }
            left -= nap;
            if left.is_zero() || (whole && !self.layer.is_healthy()) {
                return false;
            }
        }
    }
}
