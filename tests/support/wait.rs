//! Waiting for a condition, with a deadline. Every loop of the tests that polls is here.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails. Far longer than anything takes, so
/// that no test fails because the machine is busy.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// What a busy machine may add to a time that the service promises. Where a test checks an
/// upper bound, its settings are such that a faulty service exceeds the bound by more.
pub const SLACK: Duration = Duration::from_secs(30);

/// The time between two polls. Nothing is assumed to have happened after it.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until the condition holds, and returns how long that took.
///
/// Fails if it does not hold within [`TIMEOUT`].
#[track_caller]
pub fn until<F: AsyncFnMut() -> bool>(what: &str, condition: F) -> impl Future<Output = Duration> {
    until_within(TIMEOUT, what, condition)
}

/// Waits until the condition holds, and returns how long that took.
///
/// Fails if it does not hold within `limit`.
#[track_caller]
pub fn until_within<F: AsyncFnMut() -> bool>(
    limit: Duration,
    what: &str,
    mut condition: F,
) -> impl Future<Output = Duration> {
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        while !condition().await {
            assert!(started.elapsed() < limit, "{caller}: not within {limit:?}: {what}");
            tokio::time::sleep(PAUSE).await;
        }
        started.elapsed()
    }
}

/// Blocks the thread until the condition holds, and returns how long that took.
///
/// Fails if it does not hold within `limit`.
#[track_caller]
pub fn block_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(PAUSE);
    }
    started.elapsed()
}

/// Repeats a measurement until one is shorter than `bound`, and returns that one.
///
/// The machine can only add to what the service takes: if the service meets the bound, the
/// quickest of enough measurements meets it too. Fails if none does within [`TIMEOUT`].
#[track_caller]
pub fn until_quicker_than<F: AsyncFnMut() -> Duration>(
    bound: Duration,
    what: &str,
    mut measure: F,
) -> impl Future<Output = Duration> {
    let caller = std::panic::Location::caller();
    async move {
        let (started, mut quickest) = (Instant::now(), Duration::MAX);
        while quickest >= bound {
            let elapsed = started.elapsed();
            assert!(elapsed < TIMEOUT, "{caller}: {what} took {quickest:?} or more, not {bound:?}");
            quickest = quickest.min(measure().await);
        }
        quickest
    }
}

/// The times that the service promises, and those that one run of a scenario has missed.
///
/// A busy machine may make a run miss them, so the scenario is run again: if the service keeps its
/// promises, one of a few runs keeps them all. Everything else that a scenario checks must hold in
/// each run. Cheap to clone.
#[derive(Clone, Default)]
pub struct Promises(Arc<Mutex<Vec<String>>>);

impl Promises {
    /// Runs a scenario until a run keeps every promise. Fails if none of three does.
    pub async fn check(scenario: impl AsyncFn(Self)) {
        let mut missed = Vec::new();
        for _ in 0..3 {
            let promises = Self::default();
            scenario(promises.clone()).await;
            missed = promises.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if missed.is_empty() {
                return;
            }
            println!("missed in this run: {missed:?}");
        }
        panic!("missed in each of three runs, in the last: {missed:?}");
    }

    /// Waits until the condition holds, which it must within [`SLACK`] after the bound, and notes
    /// whether it did within the bound.
    pub async fn until_within<F: AsyncFnMut() -> bool>(
        &self,
        bound: Duration,
        what: &str,
        condition: F,
    ) -> Duration {
        let elapsed = until_within(bound + SLACK, what, condition).await;
        self.note(bound, what, elapsed);
        elapsed
    }

    /// Notes a time that must be below the bound; beyond [`SLACK`] after it, fails.
    pub fn note(&self, bound: Duration, what: &str, elapsed: Duration) {
        assert!(elapsed < bound + SLACK, "{what} after {elapsed:?}, not {bound:?}");
        if elapsed >= bound {
            let text = format!("{what} after {elapsed:?}, not {bound:?}");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }
}
