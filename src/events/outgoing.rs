//! [`Outgoing`] is what a unit of work sends after its COMMIT, of whatever kind.

use super::event::{Announcement, Event, Notice, Revocation};
use crate::ids::UserId;

/// What a unit of work sends after its COMMIT.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// An event for some users, appended to their inboxes in the transaction.
    Event(Vec<UserId>, Event),
    /// An announcement for some users, appended to their inboxes in the transaction.
    Announcement(Vec<UserId>, Announcement),
    /// An announcement for whoever of some users has a socket. It is not stored.
    LiveAnnouncement(Vec<UserId>, Announcement),
    /// A notice for one user's sockets. It is not stored.
    Notice(UserId, Notice),
    /// A revocation, for all instances. It is not stored.
    Revocation(Revocation),
}
