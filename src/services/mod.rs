//! Other services publish events to the people of this one: posts and stories live
//! elsewhere, and whom they concern is told here, in the same order, under the same
//! numbers and with the same promises as everything else.
//!
//! A [`Caller`] is a service that has shown its key. What it announces is kept and passed
//! on as it came; this service does not look into it.

mod caller;
mod commands;
pub mod http;
mod model;
mod queries;

pub use caller::{Caller, Callers, require};
pub use commands::{PRUNE_BATCH, prune};
pub use model::Draft;
