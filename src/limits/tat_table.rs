//! [`TatTable`] are a moment for each key, in a table of bounded size. One that is past
//! means as much as none.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use parking_lot::Mutex;

use super::gcra::Moment;
use super::key::LimitKey;

/// LimitKeys in each half of a table: both are 4 MiB when full. Whoever brings more than
/// these in the time of a limit makes this instance forget those that were not heard of
/// for longest; Redis does not forget them.
const HALF: usize = 50_000;

/// A moment for each key.
///
/// The bound is kept without looking at every key: when the younger half is full, the
/// older one is forgotten and the younger takes its place.
#[derive(Default)]
pub(super) struct TatTable {
    /// While held: no await, and no call out of this file but the given function.
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    younger: HashMap<LimitKey, Moment>,
    older: HashMap<LimitKey, Moment>,
}

/// Returns this moment.
pub(super) fn now() -> Moment {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGINNING.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl TatTable {
    /// Returns a key's moment; 0 if it has none.
    pub(super) fn get(&self, key: LimitKey) -> Moment {
        self.halves.lock().get(key)
    }

    /// Changes a key's moment to what `change` makes of it, unless that fails.
    pub(super) fn change<E>(
        &self,
        key: LimitKey,
        change: impl FnOnce(Moment) -> Result<Moment, E>,
    ) -> Result<(), E> {
        let mut halves = self.halves.lock();
        let moment = change(halves.get(key))?;
        halves.set(key, moment);
        Ok(())
    }
}

impl Halves {
    fn get(&self, key: LimitKey) -> Moment {
        self.younger.get(&key).or_else(|| self.older.get(&key)).copied().unwrap_or(0)
    }

    fn set(&mut self, key: LimitKey, moment: Moment) {
        if self.younger.len() >= HALF && !self.younger.contains_key(&key) {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(moments: &TatTable, key: u128, moment: Moment) {
        let _ = moments.change(LimitKey::from(key), |_| Ok::<_, ()>(moment));
    }

    #[test]
    fn a_key_keeps_its_moment() {
        let moments = TatTable::default();
        set(&moments, 1, 7);
        set(&moments, 1, 8);
        assert_eq!((moments.get(LimitKey::from(1)), moments.get(LimitKey::from(2))), (8, 0));
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let moments = TatTable::default();
        set(&moments, 1, 7);
        assert_eq!(moments.change(LimitKey::from(1), |_| Err(())), Err(()));
        assert_eq!(moments.get(LimitKey::from(1)), 7);
    }

    #[test]
    fn the_table_stays_bounded_and_forgets_what_was_not_heard_of_for_longest() {
        let moments = TatTable::default();
        set(&moments, 1, 7);
        let rounds = 5 * HALF as u128;
        for key in 0..rounds {
            set(&moments, 1_000 + key, 9);
            if key % 1_000 == 0 {
                set(&moments, 2, 8);
            }
        }
        let halves = moments.halves.lock();
        assert!(halves.younger.len() + halves.older.len() <= 2 * HALF);
        assert_eq!((halves.get(LimitKey::from(1)), halves.get(LimitKey::from(2))), (0, 8));
        assert_eq!(halves.get(LimitKey::from(1_000 + rounds - 1)), 9);
    }
}
