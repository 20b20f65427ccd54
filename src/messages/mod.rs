//! Direct messages between two users.

mod commands;
pub mod http;
mod insert;
mod model;
mod queries;
mod statements;

pub use commands::Send;
pub use model::Draft;
