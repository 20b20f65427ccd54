//! The header `Idempotency-Key`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use utoipa::IntoParams;

use super::request_key::{RequestKey, Requester};
use crate::error::{Error, Kind, Result};

/// The longest key, in characters.
const MAX_CHARS: usize = 200;

/// A client's name for a request: the same for each repetition. Most requests have none.
#[derive(Debug)]
pub struct IdempotencyKey(Option<String>);

/// The header, as the description of the API has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `IdempotencyKey` reads")]
pub struct IdempotencyKeyHeader {
    /// A repetition with the same key, within a day, gets the response of the first request and
    /// has no effect.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 200,
        pattern = "^[ -~]+$",
        nullable = false
    )]
    key: Option<String>,
}

impl IdempotencyKey {
    /// Reads the values of the header.
    fn read<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Self> {
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(one), None) => parse(one).map(|key| Self(Some(key))),
            _ => Err(invalid()),
        }
    }

    /// Returns what is stored of a request with this key, if there is one. The parts are the
    /// operation's name and whatever else distinguishes two requests.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the parts cannot be serialized, which they can.
    pub fn of(self, requester: &Requester<'_>, parts: &impl Serialize) -> Result<Option<RequestKey>> {
        self.0.map(|key| RequestKey::new(requester, key, parts)).transpose()
    }
}

/// # Errors
///
/// [`Error::Malformed`] if there are several, or one is empty, too long, or not printable ASCII.
impl FromRequest for IdempotencyKey {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.headers().get_all("idempotency-key").map(|value| value.as_bytes())))
    }
}

fn parse(bytes: &[u8]) -> Result<String> {
    let is_valid =
        (1..=MAX_CHARS).contains(&bytes.len()) && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match std::str::from_utf8(bytes) {
        Ok(text) if is_valid => Ok(text.to_owned()),
        _ => Err(invalid()),
    }
}

fn invalid() -> Error {
    let text = format!("Idempotency-Key must be one text of 1 to {MAX_CHARS} printable ASCII characters.");
    Error::Malformed(Kind::Invalid, text.into())
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, parse};

    #[test]
    fn a_key_is_printable() {
        for valid in ["x", "a b", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"x".repeat(200)] {
            assert!(parse(valid.as_bytes()).is_ok(), "{valid}");
        }
        for invalid in ["", "é", "a\tb", "\x7f", &"x".repeat(201)] {
            assert!(parse(invalid.as_bytes()).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_request_has_one_key_or_none() {
        let read = |values: &'static [&'static str]| {
            IdempotencyKey::read(values.iter().map(|value| value.as_bytes()))
        };
        assert!(read(&[]).is_ok() && read(&["a"]).is_ok());
        assert!(read(&["a", "b"]).is_err());
    }
}
