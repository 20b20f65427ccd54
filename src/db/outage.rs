//! An [`Outage`] is whether the last call found the database unavailable, and how often it has
//! recovered.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::failure::{is_connection_lost, is_statement_timeout};
use crate::error::{Error, Result};
use crate::telemetry::Degradation;

/// Whether the last call found the database unavailable, and how often it has recovered.
#[derive(Default)]
pub(super) struct Outage {
    degradation: Degradation,
    /// Whether a connection was lost since it began, and not only a response late.
    has_lost_connection: AtomicBool,
    recoveries: watch::Sender<u64>,
}

impl Outage {
    /// Records whether a call found the database available.
    pub(super) fn record<T>(&self, result: Result<T>) -> Result<T> {
        match &result {
            // The database responded: it stopped one statement.
            Err(Error::Unavailable(cause)) if is_statement_timeout(cause) => {}
            Err(Error::Unavailable(cause)) => {
                self.has_lost_connection.fetch_or(is_connection_lost(cause), Ordering::Relaxed);
                // Whatever comes next is a part of the outage.
                if self.degradation.begin("unavailable") {
                    tracing::warn!(cause = %cause, "database unavailable");
                }
            }
            _ if self.degradation.end() => {
                tracing::info!("database available again");
                if self.has_lost_connection.swap(false, Ordering::Relaxed) {
                    self.recoveries.send_modify(|count| *count += 1);
                }
            }
            _ => {}
        }
        result
    }

    /// Returns whether the last call found the database unavailable.
    pub(super) fn is_present(&self) -> bool {
        self.degradation.is_present()
    }

    /// Returns the counter of recoveries from outages in which a connection was lost.
    pub(super) const fn recoveries(&self) -> &watch::Sender<u64> {
        &self.recoveries
    }
}
