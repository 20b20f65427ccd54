//! A [`MissedFlag`] that a publication may be missing, from whoever has it to the probe
//! that tells everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a publication may be missing. A cheap handle.
#[derive(Clone, Default)]
pub(super) struct MissedFlag(Arc<AtomicBool>);

impl MissedFlag {
    /// Something may not have been published.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was raised since it was last taken.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
