//! A [`Limit`] is one rate, counted for each key: first on this instance, and then in Redis
//! too, if there is one.

use std::sync::Arc;
use std::time::Duration;

use super::gcra::Gcra;
use super::key::LimitKey;
use super::redis_counter::{RedisCounter, TakeOutcome};
use super::tat_table::{TatTable, now};
use crate::error::{Error, Result};
use crate::settings::Rate;
use crate::telemetry::{LimitLabels, Metrics};

/// One rate, counted for each key.
pub(super) struct Limit {
    name: &'static str,
    /// None if the limit is switched off.
    gcra: Option<Gcra>,
    local: TatTable,
    redis: Option<Arc<RedisCounter>>,
    metrics: Metrics,
}

impl Limit {
    /// Returns a limit; without a rate it is switched off.
    pub(super) fn new(
        name: &'static str,
        rate: Option<Rate>,
        redis: Option<Arc<RedisCounter>>,
        metrics: Metrics,
    ) -> Self {
        Self { name, gcra: rate.map(Gcra::new), local: TatTable::default(), redis, metrics }
    }

    /// Takes one unit, on this instance and in Redis.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next unit.
    pub(super) async fn take(&self, key: LimitKey) -> Result<()> {
        self.take_locally(key)?;
        self.take_in_redis(key).await
    }

    /// Takes one unit on this instance only. What is over the limit here needs no query.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next unit.
    pub(super) fn take_locally(&self, key: LimitKey) -> Result<()> {
        self.take_many_locally(1, key)
    }

    /// Takes some units on this instance only: all, or none.
    ///
    /// # Errors
    ///
    /// 429 with the time until as many are available.
    pub(super) fn take_many_locally(&self, units: u64, key: LimitKey) -> Result<()> {
        let Some(gcra) = &self.gcra else { return Ok(()) };
        self.local
            .update(key, |theoretical_arrival_time| gcra.take_many(units, theoretical_arrival_time, now()))
            .map_err(|wait| refusal(self.name, wait, &self.metrics))
    }

    /// Takes in Redis the unit that was taken locally. If none is available there, gives it
    /// back locally.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next unit.
    pub(super) async fn take_in_redis(&self, key: LimitKey) -> Result<()> {
        let (Some(gcra), Some(redis)) = (&self.gcra, &self.redis) else { return Ok(()) };
        match redis.take(self.name, key, gcra).await {
            Some(TakeOutcome::RetryAfter(wait)) => {
                self.give_back_locally(key);
                Err(refusal(self.name, wait, &self.metrics))
            }
            Some(TakeOutcome::Taken) | None => Ok(()),
        }
    }

    /// Gives back a unit that was taken on this instance and in Redis.
    pub(super) async fn give_back(&self, key: LimitKey) {
        self.give_back_locally(key);
        if let (Some(gcra), Some(redis)) = (&self.gcra, &self.redis) {
            redis.give_back(self.name, key, gcra).await;
        }
    }

    /// Gives back a unit that was taken on this instance only.
    pub(super) fn give_back_locally(&self, key: LimitKey) {
        let Some(gcra) = &self.gcra else { return };
        let given_back = |time| Ok::<_, std::convert::Infallible>(gcra.give_back(time));
        let Ok(()) = self.local.update(key, given_back);
    }
}

/// Counts that a limit rejects something, and returns the error.
pub(super) fn refusal(name: &'static str, wait: Duration, metrics: &Metrics) -> Error {
    metrics.limit_refusals.get_or_create(&LimitLabels { limit: name }).inc();
    let seconds = wait.as_micros().div_ceil(1_000_000).max(1);
    Error::RateLimited { retry_after_seconds: u64::try_from(seconds).unwrap_or(u64::MAX) }
}
