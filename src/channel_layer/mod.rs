//! The channel layer carries a payload to every [`Subscription`] of a [`Group`],
//! whichever process holds it. It knows no domain: a payload is bytes, and beside them
//! their origin.
//!
//! - A **group** is a named set of subscriptions, such as `user_42`.
//! - A **subscription** is the bounded queue of one listener; it leaves its group when it
//!   is dropped.
//! - The **hub** is the table of subscriptions in this process.
//! - A **backend** connects the hubs of several processes: memory (one process) or Redis.
//!
//! Both backends promise the following, and one suite of tests checks it for both:
//!
//! - Delivery is at most once, and in the order of publishing for payloads that one
//!   process publishes to one group one after the other, in bulk or not.
//! - Publishing never waits for a reader, and waits for Redis a bounded time.
//! - After [`ChannelLayer::subscribe`] has returned, payloads published to the group
//!   arrive, as long as the layer is [healthy](ChannelLayer::is_healthy).
//! - When payloads may have been missed and new ones arrive again, the number in
//!   [`ChannelLayer::recoveries`] is raised.
//!
//! What must not be lost is in the [inbox](crate::events) first; this layer only
//! makes it arrive sooner.

mod group;
mod hub;
mod layer;
mod memory;
mod payload;
mod redis;

pub use group::{Group, InvalidName};
pub use hub::{Capacity, Overflow, Subscription};
pub use layer::ChannelLayer;
pub use payload::Payload;
pub use redis::Neighbour;
