//! What a message is made of, and what may be said. No I/O.

use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{FieldErrors, Result};
use crate::events::Brief;
use crate::fields::{Digits, Fields};
use crate::ids::{MessageId, UserId};
use crate::timestamp::Timestamp;

/// A message as both of its people see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    /// Names the message.
    pub id: MessageId,
    /// Who wrote.
    pub sender: Brief,
    /// To whom.
    pub receiver: Brief,
    /// What.
    pub content: String,
    /// Whether the receiver has read it.
    pub is_read: bool,
    /// When.
    pub created_at: Timestamp,
    /// Stories are another service's; the contract keeps the key.
    pub story: Story,
}

/// Always null.
#[derive(Clone, Copy, Debug, Default)]
pub struct Story;

impl ToSchema for Story {}

impl PartialSchema for Story {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl Serialize for Story {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

/// What sending asks for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Draft::parse` reads by name")]
pub struct MessageForm {
    /// To whom; digits do as well.
    receiver_id: Digits,
    /// At most 10,000 characters, unless the service is set to another number. Outer
    /// white space is dropped, and a number is taken for its text.
    content: Content,
    /// Read, and passed over.
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
    /// To whom.
    pub receiver: UserId,
    /// What.
    pub content: String,
}

impl Draft {
    /// Reads a draft whose content has at most so many characters.
    ///
    /// # Errors
    ///
    /// 400 with every field that is wrong.
    pub fn parse(fields: &Fields, most_characters: usize) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let receiver = receiver(fields.value("receiver_id"))
            .map_err(|text| errors.add("receiver_id", text))
            .unwrap_or(UserId::new(0));
        let content = content(fields.value("content"), most_characters)
            .map_err(|text| errors.add("content", text))
            .unwrap_or_default();
        if let Some(story) = fields.value("reply_to_story")
            && !is_uuid_or_null(story)
        {
            errors.add("reply_to_story", "Must be a valid UUID.");
        }
        errors.or(Self { receiver, content })
    }
}

/// A whole number, as such or in digits. One beyond 64 bits names nobody.
fn receiver(value: Option<&Value>) -> std::result::Result<UserId, &'static str> {
    const NOT_A_NUMBER: &str = "A valid integer is required.";
    match value {
        None => Err("This field is required."),
        Some(Value::Null) => Err("This field may not be null."),
        // What needs a float for its size is written with an exponent.
        Some(Value::Number(number)) if number.as_f64().is_some_and(|float| float.abs() >= 1e16) => {
            Ok(UserId::new(number.as_i64().unwrap_or(0)))
        }
        Some(Value::Number(number)) => digits(&number.to_string()).ok_or(NOT_A_NUMBER),
        Some(Value::String(text)) => digits(text.trim()).ok_or(NOT_A_NUMBER),
        Some(_) => Err(NOT_A_NUMBER),
    }
}

/// Reads digits, with a sign and a fraction of noughts at most.
fn digits(text: &str) -> Option<UserId> {
    let whole = text
        .split_once('.')
        .map_or(Some(text), |(whole, fraction)| fraction.bytes().all(|byte| byte == b'0').then_some(whole))?;
    let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let valid = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| UserId::from_digits(whole))
}

/// A text, or a number kept as its text, without outer white space.
fn content(value: Option<&Value>, most: usize) -> std::result::Result<String, String> {
    let text = match value {
        None => return Err("This field is required.".into()),
        Some(Value::Null) => return Err("This field may not be null.".into()),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err("Not a valid string.".into()),
    };
    if text.is_empty() {
        return Err("This field may not be blank.".into());
    }
    if text.contains('\0') {
        return Err("Null characters are not allowed.".into());
    }
    if text.chars().count() > most {
        return Err(format!("Ensure this field has no more than {most} characters."));
    }
    Ok(text)
}

fn is_uuid_or_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => uuid::Uuid::try_parse(text).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{content, is_uuid_or_null, receiver};

    #[test]
    fn a_receiver_is_a_whole_number() {
        for (given, id) in
            [(json!(7), 7), (json!("7"), 7), (json!(-1), -1), (json!("-1"), -1), (json!(7.0), 7)]
        {
            assert_eq!(receiver(Some(&given)).map(|id| id.number()), Ok(id), "{given}");
        }
        for given in [json!(1.5), json!(true), json!("x"), json!(""), json!([7]), json!("1.5")] {
            assert!(receiver(Some(&given)).is_err(), "{given}");
        }
        for given in [json!(u64::MAX), json!(1e26), json!("99999999999999999999999")] {
            assert_eq!(receiver(Some(&given)).map(|id| id.number()), Ok(0), "{given}");
        }
    }

    #[test]
    fn content_is_trimmed_and_otherwise_kept() {
        let text = |given| content(Some(&given), 10);
        assert_eq!(text(json!("  a\nb 😀 ")).as_deref(), Ok("a\nb 😀"));
        assert_eq!(text(json!(42)).as_deref(), Ok("42"));
        assert_eq!(text(json!("0123456789")).as_deref(), Ok("0123456789"));
        for given in [json!("   "), json!("a\0b"), json!(true), json!([]), json!(null), json!("0123456789a")]
        {
            assert!(text(given.clone()).is_err(), "{given}");
        }
    }

    #[test]
    fn a_story_is_named_by_a_uuid() {
        assert!(is_uuid_or_null(&json!("3b241101-e2bb-4255-8caf-4136c566a962")));
        assert!(!is_uuid_or_null(&json!("story")));
    }
}
