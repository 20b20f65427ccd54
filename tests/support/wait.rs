//! Waiting for something to be so, with a deadline.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::time::{Duration, Instant};

/// Waits until something is so, asking again and again, and returns how long that took.
///
/// Fails if it is not so after `limit`.
#[track_caller]
pub fn within<F: AsyncFnMut() -> bool>(
    limit: Duration,
    what: &str,
    mut is_so: F,
) -> impl Future<Output = Duration> {
    let place = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        while !is_so().await {
            assert!(started.elapsed() < limit, "{place}: in {limit:?} it did not come to this: {what}");
            // A pause between questions, not a wait for the answer.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started.elapsed()
    }
}

/// Waits until something is so, on a thread of its own.
#[track_caller]
pub fn block_until(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < limit, "in {limit:?} it did not come to this: {what}");
        // A pause between questions, not a wait for the answer.
        std::thread::sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

/// Sends a signal to a process that the test has started.
pub fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "no signal {name} to process {pid}");
}

/// Returns a port that nothing listens on, below those that the kernel gives to
/// outgoing connections: a server that restarts finds it free.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(20_000..32_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
