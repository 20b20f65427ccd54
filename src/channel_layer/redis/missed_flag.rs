//! The [`MissedFlag`] of a process says that one of its publications may be missing. The
//! next probe carries it to every process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a publication may be missing. A cheap handle.
#[derive(Clone, Default)]
pub(super) struct MissedFlag(Arc<AtomicBool>);

impl MissedFlag {
    /// Sets the flag: a payload may not have been published.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Clears the flag and returns whether it was set.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
