//! An **event** is a durable fact that concerns a user. A user's **inbox** is the log of
//! their events, numbered without a gap. An **envelope** is an event with its number.
//!
//! The path of an event:
//!
//! 1. A command *emits* it into the [`UnitOfWork`], beside the rows that it writes.
//! 2. [`Events::commit`] appends it to the recipient's [inbox], under the next number of
//!    that inbox, in the same transaction. Fact, event and number are committed together
//!    or not at all.
//! 3. After COMMIT the [`Envelope`] is published to the recipient's group.
//! 4. A [feed](crate::notifications) sends it, or reads it from the inbox later.
//!
//! Step 3 may fail, and the process may die before it. The inbox has the event either way,
//! and every feed sees from the numbers that it is missing.

mod batch;
mod commit;
mod event;
pub mod inbox;
mod listing;
mod once;
mod outgoing;
mod people;
pub mod post;
mod statements;
mod story;
mod unit_of_work;

pub use batch::{BatchCommand, BatchCommitter};
pub use commit::{Events, retry_conflicts};
pub use event::{
    Announcement, ControlMessage, Envelope, Event, Notice, OWN_NAMES, PROTOCOL, Revocation, SHARED_NAMES, Seq,
};
pub use listing::Listing;
pub use people::{Person, UserSummary};
pub use post::{Post, User};
pub use story::ReferencedStory;
pub use unit_of_work::UnitOfWork;
