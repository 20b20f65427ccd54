//! Waiting for a condition, with a deadline. Every loop of the tests that polls is here.

#![allow(dead_code, reason = "each test binary uses its part of this")]

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
