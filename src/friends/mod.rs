//! Friend requests and friendships. A **requester** sends a friend request to an
//! **addressee**, who accepts it, which makes them friends, or declines it.
//!
//! Request and friendship are one row of one table, a row for each pair of users. Of
//! concurrent commands one statement succeeds, and a friendship always has both sides.

mod commands;
pub mod http;
mod model;
pub mod queries;
mod statements;
