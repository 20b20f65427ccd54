//! An [`Event`] is one of the things that can happen to a person; an [`Envelope`]
//! is an event with its number, as it is kept and sent.

use bytes::Bytes;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{FriendRequestId, MessageId, UserId};
use crate::timestamp::Timestamp;

/// An envelope's position in one person's inbox: 1, 2, 3, …
pub type Seq = i64;

/// A user as others see them in lists and events.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
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
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
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

/// The names of all frames that this service itself sends to sockets, or may come to
/// send. No other service may use them: clients take them for ours.
pub const OWN_NAMES: &[&str] = &[
    "connection_established",
    "echo",
    "error",
    "friend_accepted",
    "friend_request",
    "new_message",
    "notifications_read",
    "ping",
    "pong",
    "resync_required",
    "sessions_ended",
];

/// Something that another service tells people. This service does not look into it.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Its name on the wire: letters, digits and `_`, and none of [`OWN_NAMES`].
    pub name: String,
    /// Its data as JSON text.
    pub data: String,
}

impl Announcement {
    /// Returns the frame of one that is not kept: `{"type":…,"data":…}`.
    pub fn frame(&self) -> Bytes {
        let Self { name, data } = self;
        format!(r#"{{"type":"{name}","data":{data}}}"#).into()
    }

    /// Returns the frame of one that is kept under this number.
    pub fn numbered_frame(&self, seq: Seq) -> Bytes {
        frame(&self.name, &self.data, seq)
    }
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
    pub fn frame(&self) -> Bytes {
        frame(&self.name, &self.data, self.seq)
    }
}

/// The data is JSON already and is taken as it is; a name needs no escaping.
fn frame(name: &str, data: &str, seq: Seq) -> Bytes {
    format!(r#"{{"type":"{name}","data":{data},"seq":{seq}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::{Notice, OWN_NAMES};

    #[test]
    fn own_names_are_in_order_and_named_once() {
        assert!(OWN_NAMES.is_sorted_by(|one, next| one < next), "{OWN_NAMES:?}");
    }

    #[test]
    fn no_name_of_a_notice_is_left_to_others() {
        let notice = Notice::NotificationsRead { up_to: 1, unread_count: 0 };
        // Another kind of notice belongs into this test: the compiler says so.
        match notice {
            Notice::NotificationsRead { .. } => {}
        }
        let frame = serde_json::to_value(&notice).unwrap_or_default();
        assert!(OWN_NAMES.iter().any(|name| frame["type"] == *name), "{frame}");
    }
}
