//! The [`Outage`] of the database: whether it is unavailable, and how often it has recovered.

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::telemetry::Degradation;

/// Whether the last call found the database unavailable, and how often it has recovered.
#[derive(Default)]
pub(super) struct Outage {
    degradation: Degradation,
    recoveries: watch::Sender<u64>,
}

impl Outage {
    /// Records whether a call found the database available.
    pub(super) fn record<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(Error::Unavailable(cause)) = &result {
            if self.degradation.begin() {
                tracing::warn!(cause = %cause, "database unavailable");
            }
        } else if self.degradation.end() {
            tracing::info!("database available again");
            self.recoveries.send_modify(|count| *count += 1);
        }
        result
    }

    /// Returns whether the last call found the database unavailable.
    pub(super) fn is_present(&self) -> bool {
        self.degradation.is_present()
    }

    /// Returns the counter of recoveries.
    pub(super) const fn recoveries(&self) -> &watch::Sender<u64> {
        &self.recoveries
    }
}
