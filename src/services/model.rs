//! What another service may announce, and under which key. No I/O.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::error::{Error, FieldErrors, Kind, Result};
use crate::events::{Announcement, OWN_NAMES};
use crate::fields::RawFields;
use crate::ids::UserId;

/// Recipients of one announcement at most: as many inboxes as one transaction locks.
const MOST_RECIPIENTS: usize = 1_000;

/// Letters of a type at most.
const MOST_LETTERS: usize = 64;

/// Bytes of data at most: each recipient's inbox keeps a copy.
const MOST_DATA_BYTES: usize = 16 * 1024;

/// Characters of an idempotency key at most.
const MOST_KEY_CHARACTERS: usize = 200;

/// An announcement to be made.
#[derive(Debug)]
pub struct Draft {
    /// In ascending order, each once.
    pub recipients: Vec<UserId>,
    /// What happened.
    pub announcement: Announcement,
    /// Whether it is kept in the recipients' inboxes.
    pub durable: bool,
}

impl Draft {
    /// Reads a draft.
    ///
    /// # Errors
    ///
    /// 400 with every field that is wrong.
    pub fn parse(fields: &RawFields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let recipients = recipients(fields.text("user_ids"))
            .map_err(|text| errors.add("user_ids", text))
            .unwrap_or_default();
        let name = name(fields.text("type")).map_err(|text| errors.add("type", text)).unwrap_or_default();
        let data = data(fields.text("data")).map_err(|text| errors.add("data", text)).unwrap_or_default();
        let durable =
            durable(fields.text("durable")).map_err(|text| errors.add("durable", text)).unwrap_or_default();
        errors.or(Self { recipients, announcement: Announcement { name, data }, durable })
    }

    /// Returns what tells it from every other draft. The order in which recipients were
    /// named does not count.
    ///
    /// # Errors
    ///
    /// None that a draft can bring about.
    pub fn digest(&self) -> Result<String> {
        let Announcement { name, data } = &self.announcement;
        let whole = serde_json::to_vec(&(&self.recipients, name, self.durable, data));
        Ok(STANDARD_NO_PAD.encode(Sha256::digest(whole.map_err(Error::internal)?)))
    }
}

fn recipients(text: Option<&str>) -> std::result::Result<Vec<UserId>, String> {
    let text = text.ok_or("This field is required.")?;
    if !text.starts_with('[') {
        return Err(match text {
            "null" => "This field may not be null.".into(),
            _ => "Expected a list of items.".into(),
        });
    }
    let numbers: Vec<i64> = serde_json::from_str(text).map_err(|_| "A valid integer is required.")?;
    let mut recipients: Vec<_> = numbers.into_iter().map(UserId::new).collect();
    recipients.sort_unstable();
    recipients.dedup();
    match recipients.len() {
        0 => Err("This list may not be empty.".into()),
        1..=MOST_RECIPIENTS => Ok(recipients),
        _ => Err(format!("Ensure this field has no more than {MOST_RECIPIENTS} elements.")),
    }
}

fn name(text: Option<&str>) -> std::result::Result<String, String> {
    let name = match text.map(serde_json::from_str) {
        None => return Err("This field is required.".into()),
        Some(Ok(Value::String(name))) => name,
        Some(Ok(Value::Null)) => return Err("This field may not be null.".into()),
        Some(_) => return Err("Not a valid string.".into()),
    };
    let is_valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= MOST_LETTERS
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if name.is_empty() {
        Err("This field may not be blank.".into())
    } else if !is_valid {
        Err(format!("Must be 1 to {MOST_LETTERS} small letters, digits and _, beginning with a letter."))
    } else if OWN_NAMES.contains(&name.as_str()) {
        Err("This type is one of this service's own.".into())
    } else {
        Ok(name)
    }
}

/// Returns the text as it came. It is read all the same, and thrown away: a text that
/// is nested too deeply, or has half of a surrogate pair, would break its readers.
fn data(text: Option<&str>) -> std::result::Result<String, String> {
    let text = text.ok_or("This field is required.")?;
    if text.len() > MOST_DATA_BYTES {
        return Err(format!("Ensure this field has no more than {MOST_DATA_BYTES} bytes of JSON."));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("JSON parse error - {error}")),
    }
}

fn durable(text: Option<&str>) -> std::result::Result<bool, &'static str> {
    match text {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some("null") => Err("This field may not be null."),
        Some(_) => Err("Must be a valid boolean."),
    }
}

/// A text under which a request is done once, however often it is sent.
#[derive(Debug)]
pub(super) struct RequestKey(String);

impl RequestKey {
    /// Reads the value of a header.
    ///
    /// # Errors
    ///
    /// 400 if it is empty, too long, or has other characters than those of ASCII that
    /// are printed.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let is_valid = (1..=MOST_KEY_CHARACTERS).contains(&bytes.len())
            && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
        match std::str::from_utf8(bytes) {
            Ok(text) if is_valid => Ok(Self(text.to_owned())),
            _ => Err(Self::wrong()),
        }
    }

    /// What to answer to a key that is none, or to several.
    pub(super) fn wrong() -> Error {
        let text = format!(
            "Idempotency-Key must be one text of 1 to {MOST_KEY_CHARACTERS} printable ASCII characters."
        );
        Error::Unfit(Kind::Invalid, text.into())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// What another service announces.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Draft::parse` reads by name")]
pub(super) struct AnnouncementForm {
    /// For whom it is.
    #[schema(min_items = 1, max_items = 1000, example = json!([7, 8]))]
    user_ids: Vec<i64>,
    /// What happened; none of this service's own types.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z][a-z0-9_]{0,63}$", example = "new_post")]
    name: String,
    /// Any JSON of at most 16 KiB; passed on as it is.
    #[schema(example = json!({ "id": 5 }))]
    data: Value,
    /// Whether it is kept in the inboxes, numbered and replayed.
    #[schema(default = true, required = false)]
    durable: bool,
}

/// What a service is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Announced)]
pub(super) struct Answer {
    /// How many people it was for.
    pub(super) recipients: usize,
    /// Numbers in the request that are nobody's id.
    #[schema(value_type = Vec<i64>)]
    pub(super) unknown_user_ids: Vec<UserId>,
}

#[cfg(test)]
mod tests {
    use super::{MOST_DATA_BYTES, RequestKey, data, durable, name, recipients};

    #[test]
    fn recipients_are_whole_numbers_in_order_each_once() {
        let numbers = |text: &str| {
            recipients(Some(text)).map(|ids| ids.iter().map(|id| id.number()).collect::<Vec<_>>())
        };
        assert_eq!(numbers("[3, 1,3 ,-2]"), Ok(vec![-2, 1, 3]));
        assert_eq!(numbers("[9223372036854775807]"), Ok(vec![i64::MAX]));
        for text in
            ["[]", "[1.0]", "[\"1\"]", "[true]", "[null]", "[[1]]", "[9223372036854775808]", "7", "null"]
        {
            assert!(numbers(text).is_err(), "{text}");
        }
        let many = |count: usize| format!("{:?}", (0..count).collect::<Vec<_>>());
        assert!(numbers(&many(1_000)).is_ok() && numbers(&many(1_001)).is_err());
        let repeated = format!("{:?}", [7; 1_001]);
        assert_eq!(numbers(&repeated), Ok(vec![7]), "those that are named twice count once");
    }

    #[test]
    fn a_type_is_a_word_that_is_not_ours() {
        let word = |length: usize| format!("\"{}\"", "x".repeat(length));
        for good in ["\"new_post\"", "\"x\"", "\"a1_\"", &word(64)] {
            assert!(name(Some(good)).is_ok(), "{good}");
        }
        for bad in [
            "\"\"",
            "\"New\"",
            "\"1a\"",
            "\"_a\"",
            "\"a-b\"",
            "\"a b\"",
            "\"é\"",
            "\"new_message\"",
            "7",
            "null",
            &word(65),
        ] {
            assert!(name(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn data_is_kept_as_it_came() {
        for text in [r#"{"b":1.50,"a":[12345678901234567890123]}"#, "null", r#""\u0000""#, "[ 1,\n2 ]"] {
            assert_eq!(data(Some(text)).as_deref(), Ok(text));
        }
        let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        assert!(
            data(Some(&text(MOST_DATA_BYTES))).is_ok() && data(Some(&text(MOST_DATA_BYTES + 1))).is_err()
        );
        for text in [r#""\ud800""#, &"[".repeat(200), "1e999", &("[".repeat(200) + &"]".repeat(200))] {
            assert!(data(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn durable_is_a_bool() {
        assert_eq!(
            (durable(None), durable(Some("true")), durable(Some("false"))),
            (Ok(true), Ok(true), Ok(false))
        );
        assert!(
            durable(Some("1")).is_err()
                && durable(Some("\"true\"")).is_err()
                && durable(Some("null")).is_err()
        );
    }

    #[test]
    fn a_key_is_printable() {
        for good in ["x", "a b", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"x".repeat(200)] {
            assert!(RequestKey::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "é", "a\tb", "\x7f", &"x".repeat(201)] {
            assert!(RequestKey::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
