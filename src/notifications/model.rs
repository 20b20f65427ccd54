//! The inbox in pages, as REST shows it; and an [`AccountPosition`], which decides what
//! happens to the sessions of a user. No I/O.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::session_handle::OpeningToken;
use crate::auth::EndedSignIns;
use crate::error::{Error, Result};
use crate::events::inbox::{Position, StoredEnvelope};
use crate::events::{PROTOCOL, Seq};
use crate::ids::UserId;
use crate::request::fields::{Fields, WholeNumber};
use crate::timestamp::Timestamp;

/// A page of the viewer's inbox.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inbox)]
pub(super) struct InboxPage {
    #[schema(minimum = 0)]
    unread_count: i64,
    /// The number of the latest event; before the first, 0 or the number before it.
    #[schema(value_type = i64, minimum = 0)]
    pub(super) last_seq: Seq,
    /// Newest first.
    results: Vec<InboxEvent>,
    /// The number before which the next page begins, if there is one.
    #[serde(skip)]
    pub(super) next: Option<Seq>,
}

/// An event as it is stored.
#[derive(Debug, Serialize, ToSchema)]
struct InboxEvent {
    #[schema(value_type = i64, minimum = 1)]
    seq: Seq,
    /// The kind of the event.
    #[serde(rename = "type")]
    #[schema(example = "new_message")]
    name: String,
    /// The same text as in the socket's frame, so that numbers keep their digits.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    created_at: Timestamp,
    is_read: bool,
}

impl InboxPage {
    /// Makes a page of at most `limit` events. `stored` are the newest envelopes of the
    /// page, newest first, and one more than the limit if there are further pages.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the data of an event is not JSON.
    pub(super) fn new(position: Position, mut stored: Vec<StoredEnvelope>, limit: i64) -> Result<Self> {
        let is_more = i64::try_from(stored.len()).is_ok_and(|count| count > limit);
        if is_more {
            stored.pop();
        }
        let next = stored.last().filter(|_| is_more).map(|(oldest, _)| oldest.seq);
        let results =
            stored.into_iter().map(|stored| InboxEvent::new(position, stored)).collect::<Result<_>>()?;
        Ok(Self { unread_count: position.unread(), last_seq: position.last_seq, results, next })
    }
}

impl InboxEvent {
    fn new(position: Position, (envelope, created_at): StoredEnvelope) -> Result<Self> {
        Ok(Self {
            seq: envelope.seq,
            name: envelope.name,
            data: RawValue::from_string(envelope.data).map_err(Error::internal)?,
            created_at,
            is_read: envelope.seq <= position.read_seq,
        })
    }
}

/// The body of a request that marks the inbox as read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `up_to` reads by name")]
pub(super) struct ReadForm {
    /// The number of the last event that was read.
    up_to: WholeNumber,
}

/// Returns the number up to which a request marks the inbox as read.
///
/// # Errors
///
/// [`Error::Fields`] if it is absent or not a number.
pub fn up_to(fields: &Fields) -> Result<Seq> {
    let seq = fields.whole_number("up_to").required().optional()?;
    Ok(seq.unwrap_or_default())
}

/// How many events are unread.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unread {
    #[schema(minimum = 0)]
    pub(super) unread_count: i64,
}

/// The state of a user's account and the position of their inbox, read in one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountPosition {
    /// The user.
    pub(super) user: UserId,
    /// The last number of their inbox; that before the first if they never had one.
    pub(super) last_seq: Seq,
    /// The number up to which they have read it.
    pub(super) read_seq: Seq,
    /// Whether they may authenticate.
    pub(super) is_active: bool,
    /// Tokens issued before this second, in Unix time, are revoked.
    pub(super) tokens_valid_from: i64,
    /// The tokens of these sign-ins are revoked.
    pub(super) ended_sign_ins: EndedSignIns,
}

impl AccountPosition {
    /// Returns whether a socket may stay open that was opened with this token.
    pub(super) fn permits(&self, token: &OpeningToken) -> bool {
        self.is_active
            && token.issued_at >= self.tokens_valid_from
            && !self.ended_sign_ins.contain(token.sign_in)
    }
}

/// What decides whether a frame is sent to a socket.
#[derive(Deserialize)]
pub(super) struct FrameHead<'a> {
    /// The number of its envelope, if it has one.
    pub(super) seq: Option<Seq>,
    /// For which clients alone it is, if not for all.
    #[serde(borrow)]
    only: Option<&'a RawValue>,
}

impl<'a> FrameHead<'a> {
    /// Parses a frame; none if it is not one. A frame is a JSON object: of an array the parser
    /// would take the first element for the number.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let is_object = payload.trim_ascii_start().starts_with(b"{");
        serde_json::from_slice(payload).ok().filter(|_| is_object)
    }

    /// Returns whether it is for a client that offers [`PROTOCOL`], or for one that does not.
    pub(super) fn is_for(&self, is_versioned: bool) -> bool {
        let names_protocol = |only: &RawValue| only.get().trim_matches('"') == PROTOCOL;
        is_versioned || !self.only.is_some_and(names_protocol)
    }

    /// Returns whether it has no number, and is for such a client.
    pub(super) fn is_hint_for(&self, is_versioned: bool) -> bool {
        self.seq.is_none() && self.is_for(is_versioned)
    }
}

/// Returns the number that a frame has, if it has one; none if it is not a frame.
#[cfg(feature = "fuzzing")]
pub fn seq(payload: &[u8]) -> Option<Option<Seq>> {
    FrameHead::parse(payload).map(|head| head.seq)
}

#[cfg(test)]
mod tests {
    use super::{AccountPosition, InboxPage, OpeningToken};
    use crate::auth::EndedSignIns;
    use crate::error::Result;
    use crate::events::inbox::{Position, StoredEnvelope};
    use crate::events::{Envelope, Seq};
    use crate::ids::{SignInId, UserId};
    use crate::timestamp::Timestamp;

    fn page(seqs: &[Seq], limit: i64) -> Result<InboxPage> {
        let stored = |seq: &Seq| -> StoredEnvelope {
            let envelope = Envelope { seq: *seq, name: "new_message".into(), data: "{}".into() };
            (envelope, Timestamp::now())
        };
        let position = Position { last_seq: 9, read_seq: 6 };
        InboxPage::new(position, seqs.iter().map(stored).collect(), limit)
    }

    #[test]
    fn an_envelope_over_the_limit_is_left_for_the_next_page() -> Result<()> {
        let page = page(&[8, 7, 6], 2)?;
        assert_eq!(page.results.iter().map(|event| event.seq).collect::<Vec<_>>(), [8, 7]);
        assert_eq!((page.next, page.unread_count, page.last_seq), (Some(7), 3, 9));
        Ok(())
    }

    #[test]
    fn the_last_page_has_no_next_page() -> Result<()> {
        let page = page(&[7, 6], 2)?;
        assert_eq!(page.results.iter().map(|event| event.is_read).collect::<Vec<_>>(), [false, true]);
        assert_eq!(page.next, None);
        Ok(())
    }

    #[test]
    fn an_account_permits_the_tokens_that_are_not_revoked() {
        let sign_in = SignInId::random();
        let token = |issued_at, sign_in| OpeningToken { issued_at, sign_in, closed_at: None };
        let active = AccountPosition {
            user: UserId::new(1),
            last_seq: 0,
            read_seq: 0,
            is_active: true,
            tokens_valid_from: 100,
            ended_sign_ins: EndedSignIns::from(format!("{sign_in}:100")),
        };
        let other = SignInId::random();
        assert!(active.permits(&token(100, other)) && !active.permits(&token(99, other)));
        assert!(!active.permits(&token(100, sign_in)));
        assert!(!AccountPosition { is_active: false, ..active }.permits(&token(100, other)));
    }
}
