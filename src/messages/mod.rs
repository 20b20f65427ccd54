//! A message is what one person said to another.

mod commands;
pub mod http;
mod model;
mod queries;

pub use model::Draft;
