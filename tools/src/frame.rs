//! A frame is one text message that the server sends on a socket.
//!
//! Frames are parsed into borrowed types, without a tree of JSON values, so that
//! parsing thousands of frames a second does not distort the measurement.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The fields that all frames share.
#[derive(Debug, Deserialize)]
pub struct Frame<'a> {
    /// The frame's type, for instance `new_message`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// The position in the user's inbox; absent from notices.
    pub seq: Option<u64>,
    /// The event's data, not parsed.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    /// The user to whom the socket belongs; only in `connection_established`.
    pub user_id: Option<u64>,
}

impl<'a> Frame<'a> {
    /// Parses a frame.
    ///
    /// # Errors
    ///
    /// If the text is not a JSON object with these fields.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

/// The data of a `new_message`.
#[derive(Debug, Deserialize)]
pub struct NewMessage<'a> {
    /// The message's id.
    pub id: u64,
    /// The text, as written by the tools of this crate.
    #[serde(borrow)]
    pub content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct FriendRequest {
    request_id: u64,
}

#[derive(Deserialize)]
struct FriendAccepted {
    friend: Person,
}

#[derive(Deserialize)]
struct Person {
    id: u64,
}

/// The subject of an event, which distinguishes the events of one inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A message, by its id.
    Message(u64),
    /// A friend request, by its id.
    FriendRequest(u64),
    /// An acceptance, by the id of the friend.
    FriendAccepted(u64),
    /// An event that these tools did not cause.
    Other,
}

impl Identity {
    /// Returns the identity of an event of this type with this data.
    #[must_use]
    pub fn of(kind: &str, data: &str) -> Self {
        match kind {
            "new_message" => serde_json::from_str(data).map(|it: NewMessage<'_>| Self::Message(it.id)),
            "friend_request" => {
                serde_json::from_str(data).map(|it: FriendRequest| Self::FriendRequest(it.request_id))
            }
            "friend_accepted" => {
                serde_json::from_str(data).map(|it: FriendAccepted| Self::FriendAccepted(it.friend.id))
            }
            _ => Ok(Self::Other),
        }
        .unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_message_is_parsed_in_any_key_order() -> serde_json::Result<()> {
        let text = r#"{"seq": 7, "type": "new_message", "data": {"content": "a \u00e9", "sender": {"id": 1, "username": "x"}, "created_at": "", "id": 9}}"#;
        let frame = Frame::parse(text)?;
        assert_eq!((frame.kind.as_ref(), frame.seq), ("new_message", Some(7)));
        let data = frame.data.map_or("", RawValue::get);
        assert_eq!(Identity::of(&frame.kind, data), Identity::Message(9));
        let message: NewMessage<'_> = serde_json::from_str(data)?;
        assert_eq!(message.content, "a é");
        Ok(())
    }

    #[test]
    fn an_unknown_event_has_an_identity() {
        assert_eq!(Identity::of("new_post", "{}"), Identity::Other);
        assert_eq!(Identity::of("new_message", "[]"), Identity::Other);
    }
}
