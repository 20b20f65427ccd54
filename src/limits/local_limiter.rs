//! A [`LocalLimiter`] is a rate for one user of it, who keeps it: no table, no lock.

use super::gcra::{Gcra, Moment};
use super::limit::refusal;
use super::tat_table::now;
use crate::error::Result;
use crate::settings::Rate;
use crate::telemetry::Metrics;

/// A rate for one user of it.
#[derive(Debug)]
pub struct LocalLimiter {
    name: &'static str,
    pace: Option<Gcra>,
    whole_at: Moment,
}

impl LocalLimiter {
    pub(super) fn new(name: &'static str, rate: Option<Rate>) -> Self {
        Self { name, pace: rate.map(Gcra::new), whole_at: 0 }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub fn take(&mut self, metrics: &Metrics) -> Result<()> {
        let Some(pace) = &self.pace else { return Ok(()) };
        self.whole_at = pace.take(self.whole_at, now()).map_err(|wait| refusal(self.name, wait, metrics))?;
        Ok(())
    }
}
