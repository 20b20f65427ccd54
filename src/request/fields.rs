//! [`Fields`] are the values of a request's body, by name, whether it came as JSON, as
//! `application/x-www-form-urlencoded` or as `multipart/form-data`. [`RawFields`] are
//! those of a JSON body as unparsed text. [`Parameters`] are the values of a query.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::field::Field;
use super::pk::Pk;

/// The values of a request's body, by name.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Returns a value as it came.
    #[cfg(feature = "fuzzing")]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns a text without outer whitespace. NUL is invalid: PostgreSQL stores none.
    pub fn text(&self, name: &'static str) -> Field<String> {
        self.text_from(name, |_| None)
    }

    /// Returns a text, or a number as its text.
    pub fn text_or_number(&self, name: &'static str) -> Field<String> {
        self.text_from(name, |value| value.as_number().map(ToString::to_string))
    }

    fn text_from(&self, name: &'static str, other: fn(&Value) -> Option<String>) -> Field<String> {
        match self.0.get(name) {
            None => Field::absent(name),
            Some(Value::Null) => Field::null(name),
            Some(Value::String(text)) if text.contains('\0') => {
                Field::invalid(name, "Null characters are not allowed.")
            }
            Some(Value::String(text)) => Field::present(name, text.trim().to_owned()),
            Some(value) => match other(value) {
                Some(text) => Field::present(name, text),
                None => Field::invalid(name, "Not a valid string."),
            },
        }
    }

    /// Returns an id: a whole number, as a JSON number or in digits. One beyond 64 bits
    /// becomes 0, which no row has.
    pub fn id(&self, name: &'static str) -> Field<i64> {
        const INVALID: &str = "A valid integer is required.";
        let integer = match self.0.get(name) {
            None => return Field::absent(name),
            Some(Value::Null) => return Field::null(name),
            // serde_json prints floats of 1e16 and more with an exponent, which `integer` rejects.
            Some(Value::Number(number)) if number.as_f64().is_some_and(|float| float.abs() >= 1e16) => {
                Some(number.as_i64().unwrap_or(0))
            }
            Some(Value::Number(number)) => integer(&number.to_string()),
            Some(Value::String(text)) => integer(text.trim()),
            Some(_) => None,
        };
        integer.map_or(Field::invalid(name, INVALID), |integer| Field::present(name, integer))
    }

    /// Returns a whole number of 0 or more, as a JSON number or in digits. Null is not one.
    pub fn whole_number(&self, name: &'static str) -> Field<i64> {
        let number = match self.0.get(name) {
            None => return Field::absent(name),
            Some(Value::Number(number)) => number.as_i64().filter(|number| *number >= 0),
            Some(Value::String(text)) => WholeNumber::from_digits(text.trim()),
            Some(_) => None,
        };
        number.map_or(Field::invalid(name, WholeNumber::REQUIRED), |number| Field::present(name, number))
    }

    /// Returns the name of a row; null and an empty text name none.
    pub fn pk(&self, name: &'static str) -> Field<Pk> {
        match self.0.get(name).map(Pk::parse) {
            None => Field::absent(name),
            Some(Ok(None)) => Field::null(name),
            Some(Ok(Some(pk))) => Field::present(name, pk),
            Some(Err(text)) => Field::present(name, text).parse(Err),
        }
    }

    /// Returns one of these words.
    pub fn choice(&self, name: &'static str, words: &'static [&'static str]) -> Field<&'static str> {
        let text = match self.0.get(name) {
            None => return Field::absent(name),
            Some(Value::Null) => return Field::null(name),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let word = words.iter().copied().find(|word| *word == text);
        Field::present(name, text)
            .parse(|text| word.ok_or_else(|| format!("\"{text}\" is not a valid choice.")))
    }

    /// Returns a UUID, in any of the forms in which one is written.
    pub fn uuid(&self, name: &'static str) -> Field<Uuid> {
        const INVALID: &str = "Must be a valid UUID.";
        match self.0.get(name) {
            None => Field::absent(name),
            Some(Value::Null) => Field::null(name),
            Some(Value::String(text)) => {
                Uuid::try_parse(text).map_or(Field::invalid(name, INVALID), |uuid| Field::present(name, uuid))
            }
            Some(_) => Field::invalid(name, INVALID),
        }
    }
}

/// Parses digits, with a sign and a fraction of zeros at most. A number beyond 64 bits
/// becomes 0.
fn integer(text: &str) -> Option<i64> {
    let whole = text
        .split_once('.')
        .map_or(Some(text), |(whole, fraction)| fraction.bytes().all(|byte| byte == b'0').then_some(whole))?;
    let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let is_number = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| whole.parse().unwrap_or(0))
}

impl From<Map<String, Value>> for Fields {
    fn from(values: Map<String, Value>) -> Self {
        Self(values)
    }
}

/// The values of a JSON body, by name, each as its text: numbers and the order of keys
/// are as the client wrote them. Of several values of one name the last counts.
#[derive(Debug, Default)]
pub struct RawFields(HashMap<String, Box<RawValue>>);

impl RawFields {
    /// Returns a value as its text: one whole JSON value without outer whitespace, whose
    /// inside has not been parsed.
    pub fn json(&self, name: &'static str) -> Field<&str> {
        match self.0.get(name).map(|value| value.get()) {
            Some("null") => Field::null(name),
            Some(text) => Field::present(name, text),
            None => Field::absent(name),
        }
    }
}

impl From<HashMap<String, Box<RawValue>>> for RawFields {
    fn from(values: HashMap<String, Box<RawValue>>) -> Self {
        Self(values)
    }
}

/// The values of a request's query, by name. Of several values of one name the last
/// counts, and names that a route does not know are ignored.
#[derive(Debug)]
pub struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Parses a query. Every text is one.
    pub fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the value of a parameter, if there is one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the value of a parameter as a field.
    pub fn text(&self, name: &'static str) -> Field<&str> {
        self.value(name).map_or(Field::absent(name), |text| Field::present(name, text))
    }

    /// Returns a whole number of 0 or more.
    pub fn whole_number(&self, name: &'static str) -> Field<i64> {
        self.text(name).parse(|text| WholeNumber::from_digits(text).ok_or(WholeNumber::REQUIRED))
    }
}

/// A whole number, as a JSON number or in digits, because a form has only texts.
pub struct Digits;

impl ToSchema for Digits {}

impl PartialSchema for Digits {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::Integer, Type::String]);
        ObjectBuilder::new().schema_type(types).pattern(Some("^[0-9]+$")).examples([7]).into()
    }
}

/// A whole number from 0 to the largest of 64 bits with a sign, as a JSON number or in
/// digits.
pub struct WholeNumber;

impl WholeNumber {
    const REQUIRED: &str = "A whole number is required.";

    /// Parses digits, and nothing but digits.
    pub fn from_digits(text: &str) -> Option<i64> {
        // `i64::from_str` accepts a sign too.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }
}

impl ToSchema for WholeNumber {}

impl PartialSchema for WholeNumber {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::Integer, Type::String]);
        ObjectBuilder::new()
            .schema_type(types)
            .minimum(Some(0))
            .maximum(Some(i64::MAX as isize))
            .pattern(Some("^[0-9]{1,19}$"))
            .examples([7])
            .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Fields;

    fn fields(value: &Value) -> Fields {
        json!({ "field": value }).as_object().cloned().unwrap_or_default().into()
    }

    #[test]
    fn an_id_is_a_whole_number() {
        let id = |value: &Value| fields(value).id("field").required().optional().ok().flatten();
        for (given, number) in
            [(json!(7), 7), (json!("7"), 7), (json!(-1), -1), (json!("-1"), -1), (json!(7.0), 7)]
        {
            assert_eq!(id(&given), Some(number), "{given}");
        }
        for given in [json!(1.5), json!(true), json!("x"), json!(""), json!([7]), json!("1.5"), json!(null)] {
            assert_eq!(id(&given), None, "{given}");
        }
        for given in [json!(u64::MAX), json!(1e26), json!("99999999999999999999999")] {
            assert_eq!(id(&given), Some(0), "{given}");
        }
    }

    #[test]
    fn a_uuid_is_written_in_hexadecimal_digits() {
        let is_uuid = |value: &Value| fields(value).uuid("field").valid().is_some();
        assert!(is_uuid(&json!("3b241101-e2bb-4255-8caf-4136c566a962")));
        assert!(!is_uuid(&json!("story")) && !is_uuid(&json!(7)));
    }

    #[test]
    fn a_text_is_trimmed_and_otherwise_kept() {
        let text = |value: Value| {
            let text = fields(&value).text_or_number("field");
            text.required().not_blank().max_chars(10).optional().ok().flatten()
        };
        assert_eq!(text(json!("  a\nb 😀 ")).as_deref(), Some("a\nb 😀"));
        assert_eq!(text(json!(42)).as_deref(), Some("42"));
        assert_eq!(text(json!("0123456789")).as_deref(), Some("0123456789"));
        for given in [json!("   "), json!("a\0b"), json!(true), json!([]), json!(null), json!("0123456789a")]
        {
            assert_eq!(text(given.clone()), None, "{given}");
        }
    }
}
