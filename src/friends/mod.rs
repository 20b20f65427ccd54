//! A friendship is who knows whom: two people, of whom one asked and the other
//! accepted. Until then it is a friend request.
//!
//! Both are one row of one table, a row for each pair of people. So whatever happens
//! at once, one statement wins, and a friendship always has both sides.

mod commands;
pub mod http;
mod model;
mod queries;
