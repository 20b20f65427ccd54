//! [`Foreign`] reports that another installation uses the same Redis.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry::Metrics;

/// Reports payloads of other installations: each is counted, and the first is logged.
pub(super) struct Foreign {
    is_reported: AtomicBool,
    metrics: Metrics,
}

impl Foreign {
    /// Returns a report on which nothing is yet.
    pub(super) const fn new(metrics: Metrics) -> Self {
        Self { is_reported: AtomicBool::new(false), metrics }
    }

    /// Records that a payload of another installation was ignored.
    pub(super) fn ignored(&self, group: &str) {
        self.metrics.foreign_payloads.inc();
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                group,
                "another installation uses this Redis; its payloads are ignored, set REDIS_PREFIX"
            );
        }
    }
}
