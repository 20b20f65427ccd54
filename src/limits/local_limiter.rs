//! A [`LocalLimiter`] is the limit of one object, such as a socket, that owns it: no table
//! and no lock.

use super::gcra::{Gcra, TimeUs};
use super::limit::refusal;
use super::tat_table::now;
use crate::error::Result;
use crate::settings::Rate;
use crate::telemetry::Metrics;

/// A limit of one object, which owns it.
#[derive(Debug)]
pub struct LocalLimiter {
    name: &'static str,
    gcra: Option<Gcra>,
    theoretical_arrival_time: TimeUs,
}

impl LocalLimiter {
    /// Returns a limiter; without a rate it is switched off.
    pub fn new(name: &'static str, rate: Option<Rate>) -> Self {
        Self { name, gcra: rate.map(Gcra::new), theoretical_arrival_time: 0 }
    }

    /// Takes one unit.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next unit.
    pub fn take(&mut self, metrics: &Metrics) -> Result<()> {
        let Some(gcra) = &self.gcra else { return Ok(()) };
        let taken = gcra.take(self.theoretical_arrival_time, now());
        self.theoretical_arrival_time = taken.map_err(|wait| refusal(self.name, wait, metrics))?;
        Ok(())
    }
}
