//! Posts. A **reply** is a post that has a **parent**; a post with a **target** is on that person's
//! **wall**; all others are in the feed.
//!
//! The counts of likes and replies are kept by triggers, so that they are those of the rows.

mod commands;
pub mod http;
mod model;
mod queries;
mod statements;

pub use model::{Change, Draft};
