//! A [`Pk`] names a row in a body: a number, or digits as text. No I/O.

use serde::Serialize;
use serde_json::{Number, Value};

/// The id of a row, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pk {
    /// The id; 0, which no row has, for what 64 bits do not hold.
    pub id: i64,
    /// As it came.
    text: String,
}

impl Pk {
    /// Parses a value. None is null or an empty text, which name no row.
    ///
    /// # Errors
    ///
    /// The sentence for the client if it is neither a whole number nor digits.
    pub(super) fn parse(value: &Value) -> Result<Option<Self>, String> {
        let type_name = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) if is_integer(text.trim()) => {
                let text = text.trim();
                return Ok(Some(Self { id: text.parse().unwrap_or(0), text: text.to_owned() }));
            }
            Value::Number(number) if has_no_fraction(number) => {
                return Ok(Some(Self { id: whole(number), text: number.to_string() }));
            }
            Value::String(_) => "str",
            Value::Number(_) => "float",
            Value::Bool(_) => "bool",
            Value::Array(_) => "list",
            Value::Object(_) => "dict",
        };
        Err(format!("Incorrect type. Expected pk value, received {type_name}."))
    }

    /// Returns the sentence for the client about an id that no row has.
    pub fn unknown(&self) -> String {
        format!("Invalid pk \"{}\" - object does not exist.", self.text)
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_no_fraction(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

fn whole(number: &Number) -> i64 {
    // A float of 2^53 or more names a number that its sender cannot have meant.
    let small = |float: &f64| float.abs() < 9_007_199_254_740_992.0;
    let from_float = || number.as_f64().filter(small).and_then(|float| format!("{float:.0}").parse().ok());
    number.as_i64().or_else(from_float).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Pk;

    fn id(value: &Value) -> Option<i64> {
        Pk::parse(value).ok().flatten().map(|pk| pk.id)
    }

    #[test]
    fn a_row_is_named_by_a_number_or_by_digits() {
        for (value, expected) in [
            (json!(7), 7),
            (json!(7.0), 7),
            (json!("7"), 7),
            (json!(" 007 "), 7),
            (json!(-7), -7),
            (json!("-7"), -7),
            (json!(u64::MAX), 0),
            (json!(1e30), 0),
            (json!("99999999999999999999"), 0),
        ] {
            assert_eq!(id(&value), Some(expected), "{value}");
        }
        assert_eq!(Pk::parse(&json!("")), Ok(None));
        assert_eq!(Pk::parse(&json!(null)), Ok(None));
    }

    #[test]
    fn anything_else_is_rejected_by_its_type() {
        for (value, type_name) in [
            (json!("x"), "str"),
            (json!("1.5"), "str"),
            (json!(1.5), "float"),
            (json!(true), "bool"),
            (json!([1]), "list"),
            (json!({}), "dict"),
        ] {
            let sentence = format!("Incorrect type. Expected pk value, received {type_name}.");
            assert_eq!(Pk::parse(&value), Err(sentence), "{value}");
        }
    }
}
