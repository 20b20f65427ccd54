//! Direct messages between two users.

mod commands;
pub mod http;
mod model;
mod queries;
mod statements;

pub use model::Draft;
