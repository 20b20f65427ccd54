//! A [`TatTable`] holds a time for each key, in bounded memory. A time in the past means the
//! same as none, so that keys can be forgotten.
//!
//! It is used for theoretical arrival times, hence the name, and for expiry times.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use parking_lot::Mutex;

use super::gcra::TimeUs;
use super::key::LimitKey;

/// The most keys in each of the two generations, which are 4 MiB together when full. More
/// keys than these within the period of a limit make this instance forget those that were
/// not used for longest; Redis does not forget them.
const MAX_GENERATION_KEYS: usize = 50_000;

/// A time for each key.
///
/// The bound is kept without a scan of the keys: when the young generation is full, it
/// replaces the old one, whose keys are forgotten.
#[derive(Default)]
pub(super) struct TatTable {
    /// While held: no await, and no call out of this file but the given function.
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<LimitKey, TimeUs>,
    old: HashMap<LimitKey, TimeUs>,
}

/// Returns the present time.
pub(super) fn now() -> TimeUs {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl TatTable {
    /// Returns a key's time; 0 if it has none.
    pub(super) fn get(&self, key: LimitKey) -> TimeUs {
        self.generations.lock().get(key)
    }

    /// Replaces a key's time by what `update` returns for it, unless that fails.
    pub(super) fn update<E>(
        &self,
        key: LimitKey,
        update: impl FnOnce(TimeUs) -> Result<TimeUs, E>,
    ) -> Result<(), E> {
        let mut generations = self.generations.lock();
        let time = update(generations.get(key))?;
        generations.set(key, time);
        Ok(())
    }
}

impl Generations {
    fn get(&self, key: LimitKey) -> TimeUs {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().unwrap_or(0)
    }

    fn set(&mut self, key: LimitKey, time: TimeUs) {
        if self.young.len() >= MAX_GENERATION_KEYS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(table: &TatTable, key: u128, time: TimeUs) {
        let _ = table.update(LimitKey::from(key), |_| Ok::<_, ()>(time));
    }

    #[test]
    fn a_key_keeps_its_last_time() {
        let table = TatTable::default();
        set(&table, 1, 7);
        set(&table, 1, 8);
        assert_eq!((table.get(LimitKey::from(1)), table.get(LimitKey::from(2))), (8, 0));
    }

    #[test]
    fn an_update_that_fails_changes_nothing() {
        let table = TatTable::default();
        set(&table, 1, 7);
        assert_eq!(table.update(LimitKey::from(1), |_| Err(())), Err(()));
        assert_eq!(table.get(LimitKey::from(1)), 7);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_keys_that_were_not_used_for_longest() {
        let table = TatTable::default();
        set(&table, 1, 7);
        let rounds = 5 * MAX_GENERATION_KEYS as u128;
        for key in 0..rounds {
            set(&table, 1_000 + key, 9);
            if key % 1_000 == 0 {
                set(&table, 2, 8);
            }
        }
        let generations = table.generations.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * MAX_GENERATION_KEYS);
        assert_eq!((generations.get(LimitKey::from(1)), generations.get(LimitKey::from(2))), (0, 8));
        assert_eq!(generations.get(LimitKey::from(1_000 + rounds - 1)), 9);
    }
}
