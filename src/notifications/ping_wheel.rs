//! The [`PingWheel`] has the sessions of this process by the moment at which each is pinged.
//!
//! Its **slots** are the equal parts of a ping period. A session belongs to one of them, so a
//! timer that goes round visits each session once in a period, and only those of one slot at a
//! time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::session_handle::SessionHandle;

/// How many slots there are for each second: the pings of a second are spread over it.
const SLOTS_PER_SECOND: u64 = 4;

/// The sessions of this process by the moment at which each is pinged.
pub(super) struct PingWheel {
    slots: Box<[Slot]>,
}

/// The sessions of one slot by their numbers.
///
/// While it is locked: no await, and no other lock but what waking a task takes.
type Slot = Mutex<HashMap<u64, Arc<SessionHandle>>>;

impl PingWheel {
    /// The time between one slot and the next.
    pub(super) const STEP: Duration = Duration::from_millis(1_000 / SLOTS_PER_SECOND);

    /// Returns an empty wheel that goes round in this period, in whole seconds.
    pub(super) fn new(period: Duration) -> Self {
        let slots = period.as_secs().max(1) * SLOTS_PER_SECOND;
        Self { slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// Adds a session.
    pub(super) fn add(&self, session: &Arc<SessionHandle>) {
        self.slot(session.number).lock().insert(session.number, session.clone());
    }

    /// Removes a session.
    pub(super) fn remove(&self, session: &SessionHandle) {
        self.slot(session.number).lock().remove(&session.number);
    }

    /// Calls `act` with every session of the slot of a step, while it is locked: it must not
    /// wait.
    pub(super) fn for_each_in(&self, step: u64, act: impl FnMut(&Arc<SessionHandle>)) {
        self.slot(step).lock().values().for_each(act);
    }

    fn slot(&self, number: u64) -> &Slot {
        // The remainder is below the number of slots, of which there are some.
        &self.slots[(number % self.slots.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{PingWheel, SLOTS_PER_SECOND};
    use crate::ids::{SignInId, UserId};
    use crate::notifications::session_handle::{OpeningToken, SessionHandle};

    #[test]
    fn each_session_is_visited_once_in_a_period_and_in_different_steps() {
        let wheel = PingWheel::new(Duration::from_secs(3));
        let token = OpeningToken { issued_at: 0, sign_in: SignInId::random(), closed_at: None };
        let sessions = [7, 8, 9].map(|number| Arc::new(SessionHandle::new(UserId::new(1), token, number)));
        sessions.iter().for_each(|session| wheel.add(session));
        let visited = |first: u64| {
            let mut visited = Vec::new();
            for step in first..first + 3 * SLOTS_PER_SECOND {
                let before = visited.len();
                wheel.for_each_in(step, |session| visited.push(session.number));
                assert!(visited.len() <= before + 1, "step {step}");
            }
            visited.sort_unstable();
            visited
        };
        assert_eq!(visited(0), [7, 8, 9]);
        wheel.remove(&sessions[1]);
        assert_eq!(visited(100), [7, 9]);
    }
}
