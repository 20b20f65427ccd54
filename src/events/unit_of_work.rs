//! A [`UnitOfWork`] is one transaction and what it sends after its COMMIT. Events leave it
//! only through [`Events::commit`](super::Events::commit), so that none is published early or
//! forgotten.

use bytes::Bytes;

use super::event::{Announcement, Event, Notice, Revocation};
use super::inbox::{self, Appended};
use super::outgoing::Outgoing;
use crate::channel_layer::Group;
use crate::db::AnyConnection;
use crate::error::{Error, Result};
use crate::ids::{SignInId, UserId};
use crate::timestamp::Timestamp;

/// One transaction and what it sends after its COMMIT.
pub struct UnitOfWork<'a> {
    /// The transaction's connection.
    pub conn: &'a mut AnyConnection,
    /// The time at which everything in this transaction happens.
    pub now: Timestamp,
    /// What is sent, each with the place of the command that sends it.
    outgoing: Vec<(usize, Outgoing)>,
    /// The place, among the commands of the transaction, of the one that acts now.
    place: usize,
}

impl<'a> UnitOfWork<'a> {
    pub(super) fn new(conn: &'a mut AnyConnection) -> Self {
        Self { conn, now: Timestamp::now(), outgoing: Vec::new(), place: 0 }
    }

    /// Attributes what is emitted from now on to the command at this place of its batch: logs
    /// and traces name the request of that command.
    pub fn act_for(&mut self, place: usize) {
        self.place = place;
    }

    /// Emits an event: it is stored in the recipient's inbox and published, if the
    /// transaction commits.
    pub fn emit(&mut self, recipient: UserId, event: Event) {
        self.emit_to_all(vec![recipient], event);
    }

    /// Emits an event to users, each of them named once.
    pub fn emit_to_all(&mut self, recipients: Vec<UserId>, event: Event) {
        self.push(Outgoing::Event(recipients, event));
    }

    /// Announces something to users who exist, each of them named once. If it is `durable`
    /// it is stored in their inboxes too.
    pub fn announce(&mut self, recipients: Vec<UserId>, announcement: Announcement, durable: bool) {
        self.push(if durable {
            Outgoing::Announcement(recipients, announcement)
        } else {
            Outgoing::LiveAnnouncement(recipients, announcement)
        });
    }

    /// Notifies a user's sockets of something that is not stored, if the transaction
    /// commits.
    pub fn notify(&mut self, user: UserId, notice: Notice) {
        self.push(Outgoing::Notice(user, notice));
    }

    /// Closes, on every instance once the transaction commits, the sockets of a user that were
    /// opened with a token issued before this second in Unix time.
    pub fn revoke(&mut self, user: UserId, before: i64) {
        self.push(Outgoing::Revocation(Revocation { user, before, sign_in: None }));
    }

    /// Closes, on every instance once the transaction commits, the sockets of one sign-in of a
    /// user.
    pub fn revoke_sign_in(&mut self, user: UserId, sign_in: SignInId) {
        self.push(Outgoing::Revocation(Revocation { user, before: 0, sign_in: Some(sign_in) }));
    }

    fn push(&mut self, outgoing: Outgoing) {
        self.outgoing.push((self.place, outgoing));
    }

    /// Appends what was emitted to the inboxes, and returns everything to publish once the
    /// transaction is committed.
    pub(super) fn flush(self) -> Result<Unpublished> {
        let mut entries = Vec::new();
        // The place of each entry's command.
        let mut places = Vec::new();
        let mut emitted = Vec::new();
        let mut is_bulk = false;
        let mut live = Vec::new();
        for (place, outgoing) in self.outgoing {
            match outgoing {
                Outgoing::Event(recipients, event) => {
                    let data = serde_json::to_string(&event).map_err(Error::internal)?;
                    emitted.push((event.name(), recipients.len() as u64));
                    let name = event.name().to_owned();
                    entries.push(inbox::Entry { recipients, name, data });
                    places.push(place);
                }
                Outgoing::Announcement(recipients, Announcement { name, data }) => {
                    // One label for all: the names that integrations choose are not bounded.
                    emitted.push(("announcement", recipients.len() as u64));
                    is_bulk = true;
                    entries.push(inbox::Entry { recipients, name, data });
                    places.push(place);
                }
                Outgoing::LiveAnnouncement(recipients, announcement) => {
                    let bytes = announcement.frame();
                    is_bulk = true;
                    let frame = |user| Frame { place, to: Recipient::User(user), bytes: bytes.clone() };
                    live.extend(recipients.into_iter().map(frame));
                }
                Outgoing::Notice(user, notice) => {
                    live.push(Frame { place, to: Recipient::User(user), bytes: notice.frame()? });
                }
                Outgoing::Revocation(revocation) => {
                    let bytes = serde_json::to_vec(&revocation).map_err(Error::internal)?.into();
                    live.push(Frame { place, to: Recipient::Instances(revocation.user), bytes });
                }
            }
        }
        let appended = inbox::append_many(self.conn, &entries, self.now)?;
        let stored = appended.into_iter().map(|Appended { entry, owner, frame }| {
            let place = places.get(entry).copied().unwrap_or_default();
            Frame { place, to: Recipient::User(owner), bytes: frame }
        });
        Ok(Unpublished { frames: stored.chain(live).collect(), emitted, is_bulk })
    }
}

/// What a unit of work publishes once it is committed.
pub(super) struct Unpublished {
    pub(super) frames: Vec<Frame>,
    /// The names of the events among them, and how many there are.
    pub(super) emitted: Vec<(&'static str, u64)>,
    /// Whether there are announcements among them.
    pub(super) is_bulk: bool,
}

/// Whom a payload is for.
#[derive(Clone, Copy)]
pub(super) enum Recipient {
    /// The sockets of a user.
    User(UserId),
    /// All instances, about a user.
    Instances(UserId),
}

impl Recipient {
    /// Returns the group to which it is published.
    pub(super) fn group(self) -> Group {
        match self {
            Self::User(user) => Group::user(user),
            Self::Instances(_) => Group::instances(),
        }
    }

    /// Returns the user whom it concerns.
    pub(super) const fn user(self) -> UserId {
        let (Self::User(user) | Self::Instances(user)) = self;
        user
    }
}

/// One payload to publish.
pub(super) struct Frame {
    /// The place of the command that sends it.
    pub(super) place: usize,
    pub(super) to: Recipient,
    pub(super) bytes: Bytes,
}
