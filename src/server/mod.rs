//! The server: how bytes come in and are bounded, below HTTP.
//!
//! - [`listener`] opens a port and tunes connections.
//! - [`connection`] is a TCP stream whose client has a bounded time to send and to read.
//! - [`serve`] is HTTP on a listener.

pub mod connection;
pub mod listener;
mod serve;

pub use serve::{Bounds, serve};
