//! The Redis backend: `PUBLISH` through one connection, `SUBSCRIBE` on another, and a
//! probe that takes the path of every event and shows whether it arrives.
//!
//! Each group has one Redis channel of its name, and each process subscribes to it
//! once, however many subscriptions it holds. Nothing else is stored in Redis.
//!
//! Other installations may use the same Redis. What instances publish has the mark of their
//! [installation](crate::db::Installation), and what has another mark is ignored.

mod backend;
mod cause;
mod foreign;
mod lane;
mod missed_flag;
mod neighbours;
mod probe;
mod publisher;
mod role;
mod subscriber;
mod timeouts;
mod wire;

pub(super) use backend::{Redis, start};
pub(super) use lane::Urgency;
pub use neighbours::Neighbour;
