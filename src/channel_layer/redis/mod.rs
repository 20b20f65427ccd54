//! The Redis backend: `PUBLISH` through one connection, `SUBSCRIBE` on another, and a
//! probe that takes the path of every event and shows whether it arrives.
//!
//! Each group has one Redis channel of its name, and each process subscribes to it
//! once, however many subscriptions it holds. Nothing else is stored in Redis.

mod backend;
mod missed_flag;
mod probe;
mod publisher;
mod subscriber;
mod timeouts;
mod wire;

pub(super) use backend::{Redis, start};
