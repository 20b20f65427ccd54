//! An event is what happened to a person: a fact that is kept, numbered and told.
//!
//! Its path:
//!
//! 1. A command *emits* it into the [`UnitOfWork`], beside the rows that it writes.
//! 2. [`Events::commit`] appends it to the recipient's [inbox], under
//!    the next number of that inbox, in the same transaction. Fact, event and number
//!    are there together or not at all.
//! 3. After COMMIT the [`Envelope`] is published to the recipient's group.
//! 4. A [feed](crate::notifications) passes it on, or reads it from the inbox later.
//!
//! Step 3 may fail, and the process may die before it. The inbox has the event
//! either way, and its number tells every feed that it is missing.

mod event;
pub mod inbox;
mod unit_of_work;

pub use event::{Announcement, Brief, Envelope, Event, Notice, OWN_NAMES, Person, Seq, SessionsEnded};
pub use unit_of_work::{Events, UnitOfWork};
