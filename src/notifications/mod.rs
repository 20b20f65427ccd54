//! Notifications are a user's inbox as the user reads it: live over a WebSocket, and in
//! pages over REST.
//!
//! - A [`feed`] turns what the channel layer delivers, in whatever order, into each
//!   envelope once and in order.
//! - A [`session`] is one socket's life, from connect to close; [`inbound`] is what its
//!   client sends, an [`outbox`] is what waits to be written as [`frame`]s, [`closing`] is
//!   the end, and [`close_reason`] has every close code. [`shared`] is what all sessions
//!   have in common.
//! - A [`handshake`] is the request for a socket; [`socket`] accepts or refuses it.
//! - The [`roster`] is the table of the sessions of this process. It reaches each through
//!   its [`session_handle`]; [`pings`], the [`position_check`], the [`control_listener`]
//!   and the [`shutdown`] each act on all of them; [`comparisons`] are what the check does first.
//! - [`http`] serves the inbox over REST.

mod model;
mod queries;
mod commands;
pub mod http;

mod shared;
mod close_reason;
pub mod handshake;
mod inbound;
mod frame;
mod outbox;
mod closing;
mod feed;
mod session_handle;
mod ping_wheel;
mod roster;
mod session;
pub mod socket;

mod comparisons;
mod control_listener;
mod pings;
mod position_check;
mod shutdown;

pub use comparisons::Comparisons;
pub use control_listener::ControlListener;
#[cfg(feature = "fuzzing")]
pub(crate) use model::seq;
#[cfg(feature = "fuzzing")]
pub(crate) use model::up_to;
pub use position_check::PositionCheck;
pub use roster::Roster;
#[cfg(feature = "fuzzing")]
pub(crate) use session::respond;
pub use shared::Shared;
