//! Stories: a picture or video that a user shows to their friends, until it expires.
//!
//! Only the user and their friends see a story, and nobody once it has expired. Both hold on every
//! route: they are conditions of the one statement that reads stories.

mod commands;
pub mod http;
mod model;
pub mod queries;
mod statements;

pub use commands::{PRUNE_BATCH, keep, prune};
pub use model::Draft;
