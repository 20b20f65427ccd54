//! A [`Degradation`] is a state that is logged twice: when it begins and when it ends.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something works worse than it should. The log lines are its owner's: `warn` with
/// the cause when [`Degradation::begin`] returns true, `info` when [`Degradation::end`] does.
#[derive(Debug, Default)]
pub struct Degradation(AtomicBool);

impl Degradation {
    /// Records a failure. Returns whether the degradation begins with it.
    pub fn begin(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Records a success. Returns whether a degradation ends with it.
    pub fn end(&self) -> bool {
        // Most calls find nothing to end, and do not write to memory that others read.
        self.is_present() && self.0.swap(false, Ordering::Relaxed)
    }

    /// Returns whether it has begun and not ended.
    pub fn is_present(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Degradation;

    #[test]
    fn it_begins_once_and_ends_once() {
        let outage = Degradation::default();
        assert!(!outage.end() && !outage.is_present());
        assert!(outage.begin() && !outage.begin() && outage.is_present());
        assert!(outage.end() && !outage.end() && !outage.is_present());
        assert!(outage.begin(), "a second one");
    }
}
