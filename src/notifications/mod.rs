//! Notifications are the live feed of one person: what their inbox holds, over a
//! WebSocket as it happens and over REST whenever they ask.
//!
//! - [`feed`] turns what arrives, in whatever order, into each envelope once and in
//!   order.
//! - [`inbound`] is what a client sends.
//! - [`close_reason`] has every close code.
//! - [`handshake`] is what a client asks a socket with.
//! - [`session`] is one socket's life.
//! - [`roster`] knows the sessions of this process; one timer pings them all.
//! - [`revocation_listener`] closes sessions that were ended on another instance.
//! - [`position_check`] finds feeds that are behind without knowing it.

mod commands;
mod close_reason;
mod revocation_listener;
mod feed;
pub mod handshake;
pub mod http;
mod inbound;
mod position_check;
mod queries;
mod roster;
mod session;
pub mod socket;

#[cfg(feature = "fuzzing")]
pub(crate) use feed::seq;
pub use position_check::PositionCheck;
pub use revocation_listener::RevocationListener;
pub use roster::Roster;
#[cfg(feature = "fuzzing")]
pub(crate) use session::respond;
