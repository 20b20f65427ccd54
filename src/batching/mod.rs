//! A [`Batcher`] runs many items at once: what waits while one batch runs is the next batch.
//!
//! There is no timer: an item that finds nothing running runs at once, alone. The busier the
//! service, the larger the batches, and the less each item costs.

mod batcher;
mod job;
mod turn;

pub use batcher::Batcher;
pub use job::{Bounds, Job, Responder, Size};
pub use turn::Turn;
