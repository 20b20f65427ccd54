//! The [`Turn`] of a batch decides when the next one begins.

use tokio::time::Instant;

/// The turn of a batch: the next one begins when it is dropped, at the end of the batch at the
/// latest.
pub struct Turn {
    deadline: Instant,
    end: Option<Box<dyn FnOnce() + Send>>,
}

impl Turn {
    /// Returns a turn at whose end the function is called.
    pub(super) fn new(deadline: Instant, end: impl FnOnce() + Send + 'static) -> Self {
        Self { deadline, end: Some(Box::new(end)) }
    }

    /// Returns until when the batch may wait for what it needs: its items have waited for their
    /// batch already, and wait no longer than [`Bounds::wait`](super::Bounds::wait) in all.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}
