//! A [`Degradation`] is a state that is logged when it begins, when its cause changes and when it
//! ends.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// How many causes are remembered while a degradation lasts. Further ones are logged as a part of
/// it, at `debug`, so that causes that alternate do not fill the log.
const MAX_CAUSES: usize = 8;

/// Whether something works worse than it should. The log lines are its owner's: `warn` with
/// the cause when [`Degradation::begin`] returns true, `info` when [`Degradation::end`] does.
#[derive(Debug, Default)]
pub struct Degradation {
    is_present: AtomicBool,
    /// The causes since it began, the last one at the end. While held: no await, and no other
    /// lock is taken.
    causes: Mutex<Vec<String>>,
}

impl Degradation {
    /// Records a failure. Returns whether it is to be logged at `warn`: the degradation begins with
    /// it, or it has another cause than those before.
    pub fn begin(&self, cause: impl ToString) -> bool {
        let cause = cause.to_string();
        let mut causes = self.causes.lock();
        if !self.is_present.swap(true, Ordering::Relaxed) {
            causes.clear();
        }
        let known = causes.iter().position(|other| *other == cause);
        if let Some(place) = known {
            causes[place..].rotate_left(1);
        } else if causes.len() < MAX_CAUSES {
            causes.push(cause);
        } else {
            return false;
        }
        known.is_none()
    }

    /// Records a success. Returns whether a degradation ends with it.
    pub fn end(&self) -> bool {
        // Most calls find nothing to end, and do not write to memory that others read.
        self.is_present() && self.is_present.swap(false, Ordering::Relaxed)
    }

    /// Returns whether it has begun and not ended.
    pub fn is_present(&self) -> bool {
        self.is_present.load(Ordering::Relaxed)
    }

    /// Returns the last cause, if it has begun and not ended.
    pub fn cause(&self) -> Option<String> {
        self.is_present().then(|| self.causes.lock().last().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Degradation, MAX_CAUSES};

    #[test]
    fn it_begins_once_and_ends_once() {
        let outage = Degradation::default();
        assert!(!outage.end() && !outage.is_present() && outage.cause().is_none());
        assert!(outage.begin("a") && !outage.begin("a") && outage.is_present());
        assert!(outage.end() && !outage.end() && !outage.is_present() && outage.cause().is_none());
        assert!(outage.begin("a"), "a second one");
    }

    #[test]
    fn each_cause_is_to_be_logged_once() {
        let outage = Degradation::default();
        assert!(outage.begin("a") && outage.begin("b") && !outage.begin("a") && !outage.begin("b"));
        assert!(!outage.begin("a"));
        assert_eq!(outage.cause().as_deref(), Some("a"), "the last one");
        let logged = (0..20).filter(|number| outage.begin(number)).count();
        assert_eq!(logged, MAX_CAUSES - 2, "they are bounded");
    }
}
