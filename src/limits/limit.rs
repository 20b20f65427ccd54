//! A [`Limit`] is one rate, kept for each key: here first, and then in Redis too, if
//! there is one.

use std::sync::Arc;
use std::time::Duration;

use super::gcra::Gcra;
use super::key::LimitKey;
use super::redis_counter::{Answer, RedisCounter};
use super::tat_table::{TatTable, now};
use crate::error::{Error, Result};
use crate::settings::Rate;
use crate::telemetry::{LimitLabels, Metrics};

/// One rate, kept for each key.
pub(super) struct Limit {
    name: &'static str,
    /// None where it is switched off.
    pace: Option<Gcra>,
    here: TatTable,
    shared: Option<Arc<RedisCounter>>,
    metrics: Metrics,
}

impl Limit {
    pub(super) fn new(
        name: &'static str,
        rate: Option<Rate>,
        shared: Option<Arc<RedisCounter>>,
        metrics: Metrics,
    ) -> Self {
        Self { name, pace: rate.map(Gcra::new), here: TatTable::default(), shared, metrics }
    }

    /// Takes one, here and in Redis.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub(super) async fn take(&self, key: LimitKey) -> Result<()> {
        self.take_here(key)?;
        self.take_in_redis(key).await
    }

    /// Takes one here only. What is over the limit here needs no question to Redis.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub(super) fn take_here(&self, key: LimitKey) -> Result<()> {
        let Some(pace) = &self.pace else { return Ok(()) };
        self.here
            .change(key, |whole_at| pace.take(whole_at, now()))
            .map_err(|wait| refusal(self.name, wait, &self.metrics))
    }

    /// Takes in Redis what was taken here, and gives it back here if there is none.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub(super) async fn take_in_redis(&self, key: LimitKey) -> Result<()> {
        let (Some(pace), Some(shared)) = (&self.pace, &self.shared) else { return Ok(()) };
        match shared.take(self.name, key, pace).await {
            Some(Answer::Refused(wait)) => {
                self.give_back_here(key);
                Err(refusal(self.name, wait, &self.metrics))
            }
            Some(Answer::Taken) | None => Ok(()),
        }
    }

    /// Gives back what was taken here and in Redis.
    pub(super) async fn give_back(&self, key: LimitKey) {
        self.give_back_here(key);
        if let (Some(pace), Some(shared)) = (&self.pace, &self.shared) {
            shared.give_back(self.name, key, pace).await;
        }
    }

    /// Gives back what was taken here only.
    pub(super) fn give_back_here(&self, key: LimitKey) {
        let Some(pace) = &self.pace else { return };
        let given = |whole_at| Ok::<_, std::convert::Infallible>(pace.give_back(whole_at));
        let Ok(()) = self.here.change(key, given);
    }
}

/// Counts a refusal and returns it.
pub(super) fn refusal(name: &'static str, wait: Duration, metrics: &Metrics) -> Error {
    metrics.limit_refusals.get_or_create(&LimitLabels { limit: name }).inc();
    let seconds = wait.as_micros().div_ceil(1_000_000).max(1);
    Error::RateLimited { retry_after_seconds: u64::try_from(seconds).unwrap_or(u64::MAX) }
}
