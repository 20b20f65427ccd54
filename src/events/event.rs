//! An [`Event`] is one of the things that can happen to a person; an [`Envelope`]
//! is an event with its number, as it is kept and sent.

use bytes::Bytes;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{FriendRequestId, MessageId, UserId};
use crate::timestamp::Timestamp;

/// An envelope's position in one person's inbox: 1, 2, 3, …
pub type Seq = i64;

/// A user as others see them in lists and events.
#[derive(Clone, Debug, Serialize, Queryable, Selectable)]
#[diesel(table_name = crate::schema::users)]
pub struct Person {
    /// Names the user.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// A user in a message.
#[derive(Clone, Debug, Serialize, Queryable, Selectable)]
#[diesel(table_name = crate::schema::users)]
pub struct Brief {
    /// Names the user.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
}

impl From<&Person> for Brief {
    fn from(person: &Person) -> Self {
        Self { id: person.id, username: person.username.clone() }
    }
}

/// Every kind of event that a client can receive.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// Somebody asked the recipient to be friends.
    FriendRequest {
        /// Names the request, for accepting or declining it.
        request_id: FriendRequestId,
        /// Who asked.
        from_user: Person,
        /// When.
        created_at: Timestamp,
    },
    /// Somebody accepted the recipient's request.
    FriendAccepted {
        /// Who accepted.
        friend: Person,
    },
    /// Somebody wrote to the recipient.
    NewMessage {
        /// Names the message.
        id: MessageId,
        /// Who wrote.
        sender: Brief,
        /// What.
        content: String,
        /// When.
        created_at: Timestamp,
    },
}

impl Event {
    /// Returns the event's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FriendRequest { .. } => "friend_request",
            Self::FriendAccepted { .. } => "friend_accepted",
            Self::NewMessage { .. } => "new_message",
        }
    }
}

/// Something that the sockets of a person are told once and that is not kept: its
/// frame has no number. Whoever misses it learns of it over REST.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Notice {
    /// The person has read their inbox up to here, on some device.
    NotificationsRead {
        /// The number up to which it is read.
        up_to: Seq,
        /// What is left unread.
        unread_count: i64,
    },
}

/// Somebody's sessions are over: told to all instances, not to clients. It is not kept;
/// an instance that misses it learns of it at its next comparison of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// Whose.
    pub user: UserId,
    /// Those that were let in by a token made before this second, in Unix time.
    pub before: i64,
}

/// An event with its number, as it is kept and sent.
#[derive(Clone, Debug, Queryable)]
pub struct Envelope {
    /// Its position in the recipient's inbox.
    pub seq: Seq,
    /// The event's name.
    pub name: String,
    /// The event's data as JSON text.
    pub data: String,
}

impl Envelope {
    /// Returns the frame that a socket is sent: `{"type":…,"data":…,"seq":…}`.
    ///
    /// The data is JSON already and is taken as it is; a name needs no escaping.
    pub fn frame(&self) -> Bytes {
        let Self { seq, name, data } = self;
        format!(r#"{{"type":"{name}","data":{data},"seq":{seq}}}"#).into()
    }
}
