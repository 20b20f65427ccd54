//! A [`Job`] is an item of a batch, with whoever waits for its outcome. [`Bounds`] are those of a
//! batcher.

use std::time::Duration;

use tokio::sync::oneshot;

/// How much a batcher runs at once, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most batches at once: one that has its turn, and others that have dropped theirs.
    pub batches: usize,
    /// The highest cost of one batch. An item that costs more is a batch by itself.
    pub cost: usize,
    /// The most bytes that wait. An item that exceeds them is rejected, unless nothing waits.
    pub waiting_bytes: usize,
    /// How long an item waits for its batch to begin, and the batch then for what it needs; then it
    /// is rejected.
    pub wait: Duration,
}

/// How large an item is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The bytes that it holds while it waits.
    pub bytes: usize,
    /// What it adds to the cost of its batch, in units of the caller's choice.
    pub cost: usize,
}

/// An item of a batch, and whoever waits for its outcome.
#[derive(Debug)]
pub struct Job<I, O> {
    /// What is to be done.
    pub item: I,
    pub(super) outcome: oneshot::Sender<O>,
}

impl<I, O> Job<I, O> {
    /// Splits the item from the handle that takes its outcome.
    pub fn split(self) -> (I, Responder<O>) {
        (self.item, Responder(self.outcome))
    }
}

/// Takes the outcome of one item.
#[derive(Debug)]
pub struct Responder<O>(oneshot::Sender<O>);

impl<O> Responder<O> {
    /// Gives the outcome to whoever waits for it, if they still do.
    pub fn respond(self, outcome: O) {
        let _ = self.0.send(outcome);
    }
}
