//! The server accepts connections and bounds them, below the routes of the API.
//!
//! - [`listener`] opens a port and configures connections.
//! - [`connection`] is a TCP stream whose client has a bounded time to send and to read.
//! - A [`handover`] passes the stream of a connection to what continues after HTTP.
//! - [`descriptors`] makes the bounds fit what the system allows to open.
//! - [`serve()`] is HTTP on a listener.

mod connection;
pub mod descriptors;
pub mod handover;
pub mod listener;
mod serve;

pub use serve::{Bounds, serve};
