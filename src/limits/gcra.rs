//! A [`Gcra`] is a rate as arithmetic on one point in time, by the generic cell rate
//! algorithm.
//!
//! The **theoretical arrival time** (TAT) of a key is when its whole burst is available again
//! if nothing more is taken. Each unit that is taken moves it on by the period divided by the
//! burst.
//!
//! No I/O and no clock: times are arguments, in microseconds since an arbitrary start.

use std::time::Duration;

use crate::settings::Rate;

/// A point in time, in microseconds since an arbitrary start.
pub(super) type TimeUs = u64;

/// A rate as arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    /// The time in which one unit is refilled.
    pub(super) interval_us: u64,
    /// How far ahead of the present the theoretical arrival time may be for one more unit to
    /// be available.
    pub(super) tolerance_us: u64,
}

impl Gcra {
    /// Returns the arithmetic of a rate.
    pub(super) fn new(rate: Rate) -> Self {
        let burst = u64::from(rate.burst.get());
        let period_us = u64::try_from(rate.period.as_micros()).unwrap_or(u64::MAX);
        let interval_us = (period_us / burst).max(1);
        Self { interval_us, tolerance_us: interval_us.saturating_mul(burst - 1) }
    }

    /// Takes one unit, and returns the new theoretical arrival time.
    ///
    /// # Errors
    ///
    /// The time until a unit is available, if none is.
    pub(super) fn take(&self, theoretical_arrival_time: TimeUs, now: TimeUs) -> Result<TimeUs, Duration> {
        self.take_many(1, theoretical_arrival_time, now)
    }

    /// Takes some units, or the whole burst if that has fewer, and returns the new theoretical
    /// arrival time.
    ///
    /// # Errors
    ///
    /// The time until as many units are available, if they are not.
    pub(super) fn take_many(
        &self,
        units: u64,
        theoretical_arrival_time: TimeUs,
        now: TimeUs,
    ) -> Result<TimeUs, Duration> {
        let theoretical_arrival_time = theoretical_arrival_time.max(now);
        let more_us = self.interval_us.saturating_mul(units.saturating_sub(1)).min(self.tolerance_us);
        match (theoretical_arrival_time - now).checked_sub(self.tolerance_us - more_us) {
            None | Some(0) => Ok(theoretical_arrival_time + self.interval_us + more_us),
            Some(wait_us) => Err(Duration::from_micros(wait_us)),
        }
    }

    /// Gives one unit back, and returns the new theoretical arrival time.
    pub(super) const fn give_back(&self, theoretical_arrival_time: TimeUs) -> TimeUs {
        theoretical_arrival_time.saturating_sub(self.interval_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn gcra(text: &str) -> Gcra {
        Gcra::new(Rate::parse(text).ok().flatten().unwrap_or_else(|| unreachable!("{text} is a rate")))
    }

    /// Takes one unit and stores the new theoretical arrival time.
    fn take(gcra: &Gcra, tat: &mut TimeUs, now: TimeUs) -> Result<(), Duration> {
        gcra.take(*tat, now).map(|time| *tat = time)
    }

    #[test]
    fn a_burst_is_available_at_once_and_the_next_unit_after_an_interval() {
        let (gcra, mut tat, now) = (gcra("4/8s"), 0, 100 * SECOND);
        for _ in 0..4 {
            assert_eq!(take(&gcra, &mut tat, now), Ok(()));
        }
        assert_eq!(take(&gcra, &mut tat, now), Err(Duration::from_secs(2)));
        assert_eq!(take(&gcra, &mut tat, now + 2 * SECOND - 1), Err(Duration::from_micros(1)));
        assert_eq!(take(&gcra, &mut tat, now + 2 * SECOND), Ok(()));
        assert_eq!(take(&gcra, &mut tat, now + 2 * SECOND), Err(Duration::from_secs(2)));
    }

    #[test]
    fn units_are_taken_together_or_not_at_all() {
        let (gcra, now) = (gcra("4/8s"), 100 * SECOND);
        let tat = gcra.take_many(3, 0, now).unwrap_or_else(|wait| unreachable!("{wait:?}"));
        assert_eq!(gcra.take_many(2, tat, now), Err(Duration::from_secs(2)));
        assert_eq!(gcra.take_many(2, tat, now + 2 * SECOND), Ok(now + 10 * SECOND));
        // More than the burst are the burst.
        assert_eq!(gcra.take_many(9, 0, now), Ok(now + 8 * SECOND));
        assert_eq!(gcra.take_many(9, now + 8 * SECOND, now), Err(Duration::from_secs(8)));
    }

    #[test]
    fn idle_time_refills_no_more_than_the_burst() {
        let (gcra, mut tat) = (gcra("2/1s"), 0);
        assert_eq!(take(&gcra, &mut tat, 0), Ok(()));
        let later = 1_000 * SECOND;
        let taken = (0..10).filter(|_| take(&gcra, &mut tat, later).is_ok()).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn a_unit_that_is_given_back_can_be_taken_again() {
        let (gcra, mut tat) = (gcra("1/1h"), 0);
        assert_eq!(take(&gcra, &mut tat, 7), Ok(()));
        assert!(take(&gcra, &mut tat, 7).is_err());
        tat = gcra.give_back(tat);
        assert_eq!(take(&gcra, &mut tat, 7), Ok(()));
    }

    #[test]
    fn refusals_cost_nothing() {
        let (gcra, mut tat) = (gcra("1/2s"), 0);
        assert_eq!(take(&gcra, &mut tat, 0), Ok(()));
        for _ in 0..100 {
            assert!(take(&gcra, &mut tat, SECOND).is_err());
        }
        assert_eq!(take(&gcra, &mut tat, 2 * SECOND), Ok(()));
    }
}
