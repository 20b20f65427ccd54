//! A message, and a draft of one as it comes in a body. No I/O.

use serde::Serialize;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{FieldErrors, Result};
use crate::events::ReferencedStory;
use crate::events::UserSummary;
use crate::ids::{MessageId, StoryId, UserId};
use crate::request::fields::{Digits, Fields};
use crate::timestamp::Timestamp;

/// A message as its sender and receiver see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Message {
    /// The message's id.
    pub id: MessageId,
    /// The user who sent it.
    pub sender: UserSummary,
    /// The user who receives it.
    pub receiver: UserSummary,
    /// Its text.
    pub content: String,
    /// Whether the receiver has read it.
    pub is_read: bool,
    /// When it was sent.
    pub created_at: Timestamp,
    /// The receiver's story to which it replies, if the sender saw it then.
    #[schema(required = true)]
    pub story: Option<ReferencedStory>,
}

/// The fields of a message to be sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Draft::parse` reads by name")]
pub struct MessageForm {
    /// The receiver's id, as a number or in digits.
    receiver_id: Digits,
    /// At most 10,000 characters, unless the service is configured otherwise. Outer whitespace
    /// is removed, and a number is taken for its text.
    content: Content,
    /// The id of a story of the receiver. One that the sender does not see counts for nothing.
    #[schema(format = "uuid")]
    reply_to_story: Option<String>,
}

/// A text, or a number that stands for its text.
struct Content;

impl ToSchema for Content {}

impl PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Number]);
        ObjectBuilder::new()
            .schema_type(types)
            .min_length(Some(1))
            .max_length(Some(10_000))
            .examples(["hello"])
            .into()
    }
}

/// A message to be sent.
#[derive(Debug)]
pub struct Draft {
    /// The receiver's id.
    pub receiver: UserId,
    /// The text.
    pub content: String,
    /// The story to which it replies.
    pub story: Option<StoryId>,
}

impl Draft {
    /// Reads a draft whose content has at most this many characters.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong.
    pub fn parse(fields: &Fields, max_chars: usize) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let receiver = fields.id("receiver_id").required().read(&mut errors);
        let content = fields.text_or_number("content").required().not_blank().max_chars(max_chars);
        let content = content.read(&mut errors);
        let story = fields.uuid("reply_to_story").read_optional(&mut errors).map(StoryId::from);
        errors.or(Self { receiver: UserId::new(receiver), content, story })
    }
}
