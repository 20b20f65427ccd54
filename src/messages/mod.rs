//! Direct messages between two users.

mod commands;
pub mod http;
mod model;
mod queries;

pub use model::Draft;
