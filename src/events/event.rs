//! An [`Event`] is a fact that concerns a user; an [`Envelope`] is an event with its
//! number, as it is stored and sent. A [`Notice`] is a hint that is not stored.

use bytes::Bytes;
use diesel::Queryable;
use serde::{Deserialize, Serialize};

use super::people::{Person, UserSummary};
use super::post::PostEvent;
use super::story::ReferencedStory;
use crate::error::{Error, Result};
use crate::ids::{FriendRequestId, MessageId, SignInId, StoryId, UserId};
use crate::timestamp::Timestamp;

/// An envelope's position in one person's inbox: 1, 2, 3, …
pub type Seq = i64;

/// Every kind of event that a client can receive.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// A user sent the recipient a friend request.
    FriendRequest {
        /// The request's id, for accepting or declining it.
        request_id: FriendRequestId,
        /// The sender of the request.
        from_user: Person,
        /// When it was sent.
        created_at: Timestamp,
    },
    /// A user accepted the recipient's friend request.
    FriendAccepted {
        /// The user who accepted.
        friend: Person,
    },
    /// A user sent the recipient a message.
    NewMessage {
        /// The message's id.
        id: MessageId,
        /// The user who sent it.
        sender: UserSummary,
        /// Its text.
        content: String,
        /// When it was sent.
        created_at: Timestamp,
    },
    /// Something happened to or by a post.
    Post(PostEvent),
    /// A user reacted to the recipient's story.
    StoryReaction {
        /// The story's id.
        story_id: StoryId,
        /// The user who reacted.
        user: Person,
        /// `heart` or `thunder`.
        reaction_type: &'static str,
    },
}

impl Event {
    /// Returns the event's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FriendRequest { .. } => "friend_request",
            Self::FriendAccepted { .. } => "friend_accepted",
            Self::NewMessage { .. } => "new_message",
            Self::Post(event) => event.name(),
            Self::StoryReaction { .. } => "story_reaction",
        }
    }
}

/// A hint for the sockets that a user has at present. It is not stored, and its frame has
/// no number; a client that misses it sees the change over REST.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Notice {
    /// The user has read their inbox up to a number, on some device.
    NotificationsRead {
        /// The number up to which it is read.
        up_to: Seq,
        /// How many envelopes are unread.
        unread_count: i64,
    },
    /// The user has sent a message, on some device: the message as a list has it.
    MessageSent {
        /// The message's id.
        id: MessageId,
        /// The user.
        sender: UserSummary,
        /// The user who receives it.
        receiver: UserSummary,
        /// Its text.
        content: String,
        /// Whether the receiver has read it.
        is_read: bool,
        /// When it was sent.
        created_at: Timestamp,
        /// The story of the receiver that it refers to.
        story: Option<ReferencedStory>,
    },
    /// Messages between the user and another one were read, by either.
    MessagesRead {
        /// Who wrote them.
        sender_id: UserId,
        /// Who has read them.
        reader_id: UserId,
        /// The last one of them, if all before it are read too.
        up_to: Option<MessageId>,
    },
    /// What the lists of friends and friend requests hold of another user has changed, without
    /// an event.
    FriendsChanged {
        /// The other user.
        user_id: UserId,
    },
}

impl Notice {
    /// Returns the frame that a socket is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it cannot be written as JSON.
    pub(super) fn frame(&self) -> Result<Bytes> {
        let only = match self {
            Self::NotificationsRead { .. } => None,
            Self::MessageSent { .. } | Self::MessagesRead { .. } | Self::FriendsChanged { .. } => {
                Some(PROTOCOL)
            }
        };
        let frame = serde_json::to_vec(&NoticeFrame { notice: self, only });
        Ok(frame.map_err(Error::internal)?.into())
    }
}

/// The WebSocket subprotocol of clients that read close codes, and take frames which the contract
/// does not have. A frame whose `only` names it is sent to no others.
pub const PROTOCOL: &str = "numeneon.v1";

#[derive(Serialize)]
struct NoticeFrame<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<&'static str>,
}

/// The revocation of a user's tokens, published to all instances and not to clients. It is
/// not stored; an instance that misses it sees it in its next position check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The user whose tokens are revoked.
    pub user: UserId,
    /// Tokens issued before this second, in Unix time, are.
    pub before: i64,
    /// Those of this sign-in are, whenever they were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInId>,
}

/// A message to all instances. It is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ControlMessage {
    /// Tokens were revoked.
    Revocation(Revocation),
    /// A transaction whose COMMIT is in doubt may have appended to the inboxes of these users.
    Comparison {
        /// The users.
        compare: Vec<UserId>,
    },
}

/// The types of all frames that this service itself sends to sockets, or may come to
/// send. Integrations may not use them: clients would take theirs for ours.
pub const OWN_NAMES: &[&str] = &[
    "connection_established",
    "echo",
    "error",
    "friend_accepted",
    "friend_request",
    "friends_changed",
    "message_sent",
    "messages_read",
    "new_message",
    "notifications_read",
    "ping",
    "pong",
    "resync_required",
    "sessions_ended",
];

/// The types of events that integrations may announce too: they may go on to have posts and
/// stories of their own.
pub const SHARED_NAMES: &[&str] =
    &["comment_reply", "new_post", "post_comment", "story_reaction", "wall_post"];

/// Something that an integration announces. It is stored and sent as it came.
#[derive(Clone, Debug, Default)]
pub struct Announcement {
    /// Its type on the wire: letters, digits and `_`, and none of [`OWN_NAMES`].
    pub name: String,
    /// Its data as JSON text.
    pub data: String,
}

impl Announcement {
    /// Returns the frame of one that is not stored: `{"type":…,"data":…}`.
    pub fn frame(&self) -> Bytes {
        let Self { name, data } = self;
        format!(r#"{{"type":"{name}","data":{data}}}"#).into()
    }
}

/// An event with its number, as it is stored and sent.
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

/// Returns a frame with a number. The data is JSON already; a name needs no escaping.
pub(super) fn frame(name: &str, data: &str, seq: Seq) -> Bytes {
    format!(r#"{{"type":"{name}","data":{data},"seq":{seq}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::{Notice, OWN_NAMES, UserSummary};
    use crate::error::Result;
    use crate::ids::{MessageId, UserId};
    use crate::timestamp::Timestamp;

    #[test]
    fn own_names_are_sorted_and_distinct() {
        assert!(OWN_NAMES.is_sorted_by(|one, next| one < next), "{OWN_NAMES:?}");
    }

    #[test]
    fn the_types_of_notices_are_own_names() -> Result<()> {
        let user = |id| UserSummary { id: UserId::new(id), username: "ada".into() };
        let notices = [
            Notice::NotificationsRead { up_to: 1, unread_count: 0 },
            Notice::MessageSent {
                id: MessageId::new(1),
                sender: user(1),
                receiver: user(2),
                content: "hello".into(),
                is_read: false,
                created_at: Timestamp::now(),
                story: None,
            },
            Notice::MessagesRead { sender_id: UserId::new(1), reader_id: UserId::new(2), up_to: None },
            Notice::FriendsChanged { user_id: UserId::new(2) },
        ];
        for notice in notices {
            // A new kind of notice fails to compile here, and belongs into this test.
            let is_for_all = match notice {
                Notice::NotificationsRead { .. } => true,
                Notice::MessageSent { .. } | Notice::MessagesRead { .. } | Notice::FriendsChanged { .. } => {
                    false
                }
            };
            let frame: serde_json::Value = serde_json::from_slice(&notice.frame()?).unwrap_or_default();
            assert!(OWN_NAMES.iter().any(|name| frame["type"] == *name), "{frame}");
            assert_eq!(frame.get("only").is_none(), is_for_all, "{frame}");
        }
        Ok(())
    }
}
