//! Accounts are what people see of each other and of themselves: signing up, profiles,
//! and finding people.

mod commands;
pub mod http;
mod model;
pub mod queries;
pub mod search;
mod username;

pub use model::{ProfileChange, SignUp};
pub use username::ReservedUsernames;
