//! A [`RequestId`] identifies one request in every log line about it, on all instances.

use std::fmt;
use std::sync::Arc;

/// The most characters of an id.
const MAX_CHARACTERS: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of a request: 1 to 128 letters, digits, `.`, `_` and `-`. A cheap handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Parses an id that a client or another instance has given. The rule is strict because
    /// the id is written to logs and sent to other instances.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_valid = (1..=MAX_CHARACTERS).contains(&text.len()) && text.bytes().all(is_allowed);
        is_valid.then(|| Self(text.into()))
    }

    /// Returns a unique id. It need not be hard to guess, so it costs no system call.
    pub fn random() -> Self {
        let bytes = fastrand::u128(..).to_ne_bytes();
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid().simple().to_string().into())
    }

    /// Returns the id of the request that the running task serves, if it serves one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs a future within this request: its log lines have the id.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn ids_that_could_forge_a_line_or_fill_the_log_are_invalid() {
        for text in ["a", "8f1e2d3c4b5a6978-FRA", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(text).as_ref().map(RequestId::as_str), Some(text));
        }
        for text in ["", " a", "a b", "a\n", "a\"", "ä", "a/b", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_random_id_is_a_valid_uuid() {
        let (one, other) = (RequestId::random(), RequestId::random());
        assert_ne!(one, other);
        assert_eq!(RequestId::parse(one.as_str()).as_ref(), Some(&one));
        let uuid = uuid::Uuid::try_parse(one.as_str()).ok();
        assert_eq!(uuid.map(|uuid| uuid.get_version_num()), Some(4));
    }
}
