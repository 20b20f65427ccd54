//! A [`Gcra`] is a rate as arithmetic on one moment: the one at which all of the rate
//! will be there again. Each that is taken puts it off by an even share of the time.
//! (The generic cell rate algorithm, under a plainer name.)
//!
//! No I/O and no clock: moments come in, in microseconds from whatever beginning.

use std::time::Duration;

use crate::settings::Rate;

/// A moment, in microseconds from some beginning.
pub(super) type Moment = u64;

/// A rate as arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    /// Between two, where they are taken evenly.
    pub(super) interval_us: u64,
    /// How far ahead the moment may be for one more to be there.
    pub(super) tolerance_us: u64,
}

impl Gcra {
    pub(super) fn new(rate: Rate) -> Self {
        let burst = u64::from(rate.burst.get());
        let period_us = u64::try_from(rate.period.as_micros()).unwrap_or(u64::MAX);
        let interval_us = (period_us / burst).max(1);
        Self { interval_us, tolerance_us: interval_us.saturating_mul(burst - 1) }
    }

    /// Takes one, and returns when all will be there again.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one, if there is none.
    pub(super) fn take(&self, whole_at: Moment, now: Moment) -> Result<Moment, Duration> {
        let whole_at = whole_at.max(now);
        match (whole_at - now).checked_sub(self.tolerance_us) {
            None | Some(0) => Ok(whole_at + self.interval_us),
            Some(wait_us) => Err(Duration::from_micros(wait_us)),
        }
    }

    /// Gives one back, and returns when all will be there again.
    pub(super) const fn give_back(&self, whole_at: Moment) -> Moment {
        whole_at.saturating_sub(self.interval_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn pace(text: &str) -> Gcra {
        Gcra::new(Rate::parse(text).ok().flatten().unwrap_or_else(|| unreachable!("{text} is a rate")))
    }

    /// Takes one and keeps the moment.
    fn take(pace: &Gcra, whole_at: &mut Moment, now: Moment) -> Result<(), Duration> {
        pace.take(*whole_at, now).map(|moment| *whole_at = moment)
    }

    #[test]
    fn as_many_as_stated_are_there_at_once_and_the_next_after_an_even_share() {
        let (pace, mut whole_at, now) = (pace("4/8s"), 0, 100 * SECOND);
        for _ in 0..4 {
            assert_eq!(take(&pace, &mut whole_at, now), Ok(()));
        }
        assert_eq!(take(&pace, &mut whole_at, now), Err(Duration::from_secs(2)));
        assert_eq!(take(&pace, &mut whole_at, now + 2 * SECOND - 1), Err(Duration::from_micros(1)));
        assert_eq!(take(&pace, &mut whole_at, now + 2 * SECOND), Ok(()));
        assert_eq!(take(&pace, &mut whole_at, now + 2 * SECOND), Err(Duration::from_secs(2)));
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_the_whole() {
        let (pace, mut whole_at) = (pace("2/1s"), 0);
        assert_eq!(take(&pace, &mut whole_at, 0), Ok(()));
        let later = 1_000 * SECOND;
        let taken = (0..10).filter(|_| take(&pace, &mut whole_at, later).is_ok()).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (pace, mut whole_at) = (pace("1/1h"), 0);
        assert_eq!(take(&pace, &mut whole_at, 7), Ok(()));
        assert!(take(&pace, &mut whole_at, 7).is_err());
        whole_at = pace.give_back(whole_at);
        assert_eq!(take(&pace, &mut whole_at, 7), Ok(()));
    }

    #[test]
    fn refusals_cost_nothing() {
        let (pace, mut whole_at) = (pace("1/2s"), 0);
        assert_eq!(take(&pace, &mut whole_at, 0), Ok(()));
        for _ in 0..100 {
            assert!(take(&pace, &mut whole_at, SECOND).is_err());
        }
        assert_eq!(take(&pace, &mut whole_at, 2 * SECOND), Ok(()));
    }
}
