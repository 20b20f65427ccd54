//! An [`Error`] is the reason why a request was not done, by kind.
//!
//! It has two audiences. The client gets a short true sentence in the contract's form;
//! the log gets the cause of what is the server's fault, once. Both are made from it in
//! [`crate::request::response`]: this module knows no HTTP.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use utoipa::ToSchema;

/// The result of a fallible step of the service.
pub type Result<T> = std::result::Result<T, Error>;

/// A text for the client.
pub type Text = Cow<'static, str>;

/// Any error, as the cause of a server's fault. For the log only.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the service rejects the request.
    #[error("{1}")]
    Rejected(Kind, Text),
    /// The request is not one that the route takes.
    #[error("{1}")]
    Malformed(Kind, Text),
    /// Fields of the body are invalid.
    #[error("fields: {0}")]
    Fields(FieldErrors),
    /// The token is missing or invalid.
    #[error("{}", .0.detail)]
    Unauthenticated(Unauthenticated),
    /// A rate limit is exceeded.
    #[error("rate limited")]
    RateLimited {
        /// Seconds until the next attempt can succeed.
        retry_after_seconds: u64,
    },
    /// This instance holds as many sockets as it may.
    #[error("at capacity")]
    AtCapacity {
        /// Seconds after which to try again.
        retry_after_seconds: u64,
    },
    /// A concurrent transaction changed what this one was about. The command may be run
    /// again in a new transaction, which [`Events::commit_retrying`] does.
    ///
    /// [`Events::commit_retrying`]: crate::events::Events::commit_retrying
    #[error("conflict with a concurrent transaction")]
    Conflict,
    /// A concurrent transaction did not release a lock in time. Nothing was done.
    #[error("locked: {0}")]
    Locked(BoxError),
    /// A dependency does not respond now.
    #[error("unavailable: {0}")]
    Unavailable(BoxError),
    /// A fault of the server.
    #[error("internal: {0}")]
    Internal(BoxError),
}

/// The kinds of rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be parsed or breaks a rule.
    Invalid,
    /// The credentials are wrong.
    WrongCredentials,
    /// The viewer may not do this.
    Forbidden,
    /// What the request names does not exist.
    NotFound,
    /// The route does not take this method.
    MethodNotAllowed,
    /// The client accepts no media type that the route can produce.
    NotAcceptable,
    /// The body did not arrive in time.
    Timeout,
    /// The body is over its bound.
    TooLarge,
    /// The body is of a media type that no route reads.
    UnsupportedMedia,
    /// An idempotency key came with another request before.
    KeyReused,
    /// The path takes WebSocket handshakes only.
    UpgradeRequired,
}

/// The sentence and words for a client that is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    /// The sentence that the client reads.
    pub detail: &'static str,
    /// The cause as a word for programs.
    pub code: Option<&'static str>,
    /// What is wrong with an access token.
    pub access_token: Option<&'static str>,
}

/// What is wrong with each field, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, Vec<String>>, example = json!({ "content": ["This field may not be blank."] }))]
pub struct FieldErrors(Vec<(&'static str, Text)>);

impl FieldErrors {
    /// Adds a sentence about a field.
    pub fn add(&mut self, field: &'static str, text: impl Into<Text>) {
        self.0.push((field, text.into()));
    }

    /// Returns whether there is a sentence about a field.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == field)
    }

    /// Returns the value if no field is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] otherwise.
    pub fn or<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(Error::Fields(self)) }
    }
}

/// An object of each field's sentences, in the order in which the fields were read.
impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut names: Vec<&str> = Vec::new();
        for (field, _) in &self.0 {
            if !names.contains(field) {
                names.push(field);
            }
        }
        let mut map = serializer.serialize_map(Some(names.len()))?;
        for name in names {
            let of_field = self.0.iter().filter(|(field, _)| *field == name);
            map.serialize_entry(name, &of_field.map(|(_, text)| text).collect::<Vec<_>>())?;
        }
        map.end()
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (field, text) in &self.0 {
            write!(f, "{separator}{field}: {text}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl Error {
    /// Returns the rejection by a rule of the service.
    pub fn rule(text: impl Into<Text>) -> Self {
        Self::Rejected(Kind::Invalid, text.into())
    }

    /// Returns the rejection of a request that names something which does not exist.
    pub fn not_found(text: impl Into<Text>) -> Self {
        Self::Rejected(Kind::NotFound, text.into())
    }

    /// Returns the rejection of a path that no route has.
    pub fn unknown_path() -> Self {
        Self::Malformed(Kind::NotFound, "Not found.".into())
    }

    /// Returns the rejection of what the viewer may not do.
    pub fn not_authorized() -> Self {
        Self::Rejected(Kind::Forbidden, "Not authorized".into())
    }

    /// Returns the rejection of what a rule forbids the viewer.
    pub fn forbidden(text: &'static str) -> Self {
        Self::Rejected(Kind::Forbidden, text.into())
    }

    /// Returns the rejection of a request for a row that does not exist, by the name of its kind.
    pub fn no_match(kind: &str) -> Self {
        Self::Malformed(Kind::NotFound, format!("No {kind} matches the given query.").into())
    }

    /// Returns the rejection of one field of the body.
    pub fn field(field: &'static str, text: impl Into<Text>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, text);
        Self::Fields(errors)
    }

    /// Returns a fault of the server, with its cause for the log.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal(cause.into())
    }

    /// Returns the error of another request that failed together with this one, as those of one
    /// batch do.
    pub fn for_another(&self) -> Self {
        match self {
            Self::Conflict => Self::Conflict,
            Self::Locked(cause) => Self::Locked(cause.to_string().into()),
            Self::Unavailable(cause) => Self::unavailable(cause.to_string()),
            other => Self::internal(other.to_string()),
        }
    }

    /// Returns the outage of a dependency, with its cause for the log.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into())
    }
}
