//! A request to announce something. No I/O.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{FieldErrors, Result};
use crate::events::{Announcement, OWN_NAMES};
use crate::ids::UserId;
use crate::request::fields::RawFields;

/// The most recipients of one announcement: one transaction locks as many inboxes.
const MAX_RECIPIENTS: usize = 1_000;

/// The longest type, in characters.
const MAX_NAME_CHARS: usize = 64;

/// The largest data, in bytes: each recipient's inbox keeps a copy.
const MAX_DATA_BYTES: usize = 16 * 1024;

/// A request to announce something.
#[derive(Debug)]
pub struct AnnouncementRequest {
    /// The recipients, in ascending order and each once.
    pub recipients: Vec<UserId>,
    /// What is announced.
    pub announcement: Announcement,
    /// Whether it is stored in the recipients' inboxes.
    pub durable: bool,
}

impl AnnouncementRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`](crate::error::Error::Fields) with every field that is wrong.
    pub fn parse(fields: &RawFields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let recipients = fields.json("user_ids").required().parse(recipients).read(&mut errors);
        let name = fields.json("type").required().parse(name).read(&mut errors);
        let data = fields.json("data").null_as("null").required().parse(data).read(&mut errors);
        let durable = fields.json("durable").not_null().parse(boolean).read_or(true, &mut errors);
        errors.or(Self { recipients, announcement: Announcement { name, data }, durable })
    }

    /// Returns what distinguishes it from other requests. The order in which recipients were named
    /// does not count.
    pub(super) fn parts(&self) -> impl Serialize + '_ {
        let Announcement { name, data } = &self.announcement;
        (&self.recipients, name, self.durable, data)
    }
}

fn recipients(json: &str) -> std::result::Result<Vec<UserId>, String> {
    if !json.starts_with('[') {
        return Err("Expected a list of items.".into());
    }
    let numbers: Vec<i64> = serde_json::from_str(json).map_err(|_| "A valid integer is required.")?;
    let mut recipients: Vec<_> = numbers.into_iter().map(UserId::new).collect();
    recipients.sort_unstable();
    recipients.dedup();
    match recipients.len() {
        0 => Err("This list may not be empty.".into()),
        1..=MAX_RECIPIENTS => Ok(recipients),
        _ => Err(format!("Ensure this field has no more than {MAX_RECIPIENTS} elements.")),
    }
}

fn name(json: &str) -> std::result::Result<String, String> {
    let Ok(Value::String(name)) = serde_json::from_str(json) else {
        return Err("Not a valid string.".into());
    };
    let is_valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if name.is_empty() {
        Err("This field may not be blank.".into())
    } else if !is_valid {
        Err(format!("Must be 1 to {MAX_NAME_CHARS} small letters, digits and _, beginning with a letter."))
    } else if OWN_NAMES.contains(&name.as_str()) {
        Err("This type is one of this service's own.".into())
    } else {
        Ok(name)
    }
}

/// Returns the text as it came. It is parsed all the same: a text that is nested too
/// deeply, or has half of a surrogate pair, would break the clients that read it.
fn data(json: &str) -> std::result::Result<String, String> {
    if json.len() > MAX_DATA_BYTES {
        return Err(format!("Ensure this field has no more than {MAX_DATA_BYTES} bytes of JSON."));
    }
    match serde_json::from_str::<Value>(json) {
        Ok(_) => Ok(json.to_owned()),
        Err(error) => Err(format!("JSON parse error - {error}")),
    }
}

fn boolean(json: &str) -> std::result::Result<bool, &'static str> {
    json.parse().map_err(|_| "Must be a valid boolean.")
}

/// The fields of an announcement.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `AnnouncementRequest::parse` reads by name")]
pub(super) struct AnnouncementForm {
    /// The recipients.
    #[schema(min_items = 1, max_items = 1000, example = json!([7, 8]))]
    user_ids: Vec<i64>,
    /// What happened; none of this service's own types.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$", example = "new_post")]
    name: String,
    /// Any JSON of at most 16 KiB; delivered as it is.
    #[schema(example = json!({ "id": 5 }))]
    data: Value,
    /// Whether it is stored in the inboxes, numbered and replayed.
    #[schema(default = true, required = false)]
    durable: bool,
}

/// The outcome of an announcement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Announced)]
pub(super) struct AnnouncedBody {
    /// How many users it was for.
    pub(super) recipients: usize,
    /// Ids in the request that no user has.
    #[schema(value_type = Vec<i64>)]
    pub(super) unknown_user_ids: Vec<UserId>,
}

#[cfg(test)]
mod tests {
    use super::{MAX_DATA_BYTES, boolean, data, name, recipients};

    #[test]
    fn recipients_are_whole_numbers_in_order_each_once() {
        let numbers =
            |text: &str| recipients(text).map(|ids| ids.iter().map(|id| id.number()).collect::<Vec<_>>());
        assert_eq!(numbers("[3, 1,3 ,-2]"), Ok(vec![-2, 1, 3]));
        assert_eq!(numbers("[9223372036854775807]"), Ok(vec![i64::MAX]));
        for text in ["[]", "[1.0]", "[\"1\"]", "[true]", "[null]", "[[1]]", "[9223372036854775808]", "7"] {
            assert!(numbers(text).is_err(), "{text}");
        }
        let many = |count: usize| format!("{:?}", (0..count).collect::<Vec<_>>());
        assert!(numbers(&many(1_000)).is_ok() && numbers(&many(1_001)).is_err());
        let repeated = format!("{:?}", [7; 1_001]);
        assert_eq!(numbers(&repeated), Ok(vec![7]), "those that are named twice count once");
    }

    #[test]
    fn a_type_is_a_word_that_is_not_one_of_our_own() {
        let word = |length: usize| format!("\"{}\"", "x".repeat(length));
        for valid in ["\"new_post\"", "\"x\"", "\"a1_\"", &word(64)] {
            assert!(name(valid).is_ok(), "{valid}");
        }
        for invalid in [
            "\"\"",
            "\"New\"",
            "\"1a\"",
            "\"_a\"",
            "\"a-b\"",
            "\"a b\"",
            "\"é\"",
            "\"new_message\"",
            "7",
            &word(65),
        ] {
            assert!(name(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn data_is_kept_as_it_came() {
        for text in [r#"{"b":1.50,"a":[12345678901234567890123]}"#, "null", r#""\u0000""#, "[ 1,\n2 ]"] {
            assert_eq!(data(text).as_deref(), Ok(text));
        }
        let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        assert!(data(&text(MAX_DATA_BYTES)).is_ok() && data(&text(MAX_DATA_BYTES + 1)).is_err());
        for text in [r#""\ud800""#, &"[".repeat(200), "1e999", &("[".repeat(200) + &"]".repeat(200))] {
            assert!(data(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_boolean_is_true_or_false() {
        assert_eq!((boolean("true"), boolean("false")), (Ok(true), Ok(false)));
        assert!(boolean("1").is_err() && boolean("\"true\"").is_err());
    }
}
