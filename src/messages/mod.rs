//! Direct messages between two users.

mod commands;
pub mod http;
mod writes;
mod model;
mod queries;
mod statements;

pub use commands::Send;
pub use model::Draft;
