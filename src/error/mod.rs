//! An [`Error`] says why a request was not done, by kind.
//!
//! It has two audiences. The client gets a short true sentence in the contract's
//! form; the log gets the cause of what is the server's fault, once, when the
//! answer is made. This is the only file that knows HTTP status codes of errors.

use std::borrow::Cow;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value, json};

pub use self::body::FieldErrors;
use self::body::{Detail, NoEntry, Refused};

pub mod body;

/// What a fallible step of the service answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A text for the client.
pub type Text = Cow<'static, str>;

/// The cause of a server's fault, for the log only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Seconds after which a client may try again what an outage refused: most
/// outages are a restart, and a second is what one takes.
const RETRY_AFTER_OUTAGE_SECONDS: u64 = 1;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the service refuses it: `{"error": …, "detail": …}`.
    #[error("{1}")]
    Refused(Kind, Text),
    /// The request itself is not one that the route takes: `{"detail": …}`.
    #[error("{1}")]
    Unfit(Kind, Text),
    /// Fields of the body are wrong: `{"<field>": ["…"], …}`.
    #[error("fields: {0}")]
    Fields(FieldErrors),
    /// The token is missing or no good: 401 with `WWW-Authenticate`.
    #[error("{}", .0.detail)]
    Unauthenticated(Unauthenticated),
    /// Too many tries: 429 with `Retry-After`.
    #[error("too many tries")]
    TooMany {
        /// Seconds until the next try can succeed.
        retry_after_seconds: u64,
    },
    /// This instance holds as many sockets as it may: 503 with `Retry-After`.
    #[error("full")]
    Full {
        /// Seconds after which to try again.
        retry_after_seconds: u64,
    },
    /// Somebody else changed what this act was about while it was done. It may be
    /// done again, in a new transaction; if that goes on, 503.
    #[error("lost a race")]
    Raced,
    /// Something that this service stands on does not answer now: 503 with
    /// `Retry-After`.
    #[error("unavailable: {0}")]
    Unavailable(Cause),
    /// A fault of the server: 500.
    #[error("internal: {0}")]
    Internal(Cause),
}

/// The kinds of refusal, each with one status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be understood or breaks a rule: 400.
    Invalid,
    /// The credentials are wrong: 401.
    WrongCredentials,
    /// The viewer may not do this: 403.
    Forbidden,
    /// There is no such thing: 404.
    NotFound,
    /// The route does not take this method: 405.
    MethodNotAllowed,
    /// The client takes no type that the route can answer: 406.
    NotAcceptable,
    /// The body did not come in time: 408.
    TooSlow,
    /// The body is over its bound: 413.
    TooLarge,
    /// The body is of a type that no route reads: 415.
    UnsupportedMedia,
    /// A key that makes a request safe to repeat came with another request: 422.
    KeyReused,
    /// The path takes WebSockets only: 426.
    UpgradeRequired,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::WrongCredentials => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        }
    }
}

/// The body of a 401 that asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    /// What the client reads.
    pub detail: &'static str,
    /// The cause as a word for programs.
    pub code: Option<&'static str>,
    /// What is wrong with an access token, under `messages`.
    pub access_token: Option<&'static str>,
}

impl FieldErrors {
    /// Adds a text about a field.
    pub fn add(&mut self, field: &'static str, text: impl Into<Text>) {
        self.0.push((field, text.into()));
    }

    /// Returns the value if nothing was found wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] if anything was.
    pub fn or<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(Error::Fields(self)) }
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        for (field, text) in &self.0 {
            if let Value::Array(texts) = body.entry(*field).or_insert_with(|| json!([])) {
                texts.push(json!(text));
            }
        }
        Value::Object(body)
    }
}

impl std::fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.body().fmt(f)
    }
}

impl Error {
    /// A rule of the service refuses the request: 400.
    pub fn rule(text: impl Into<Text>) -> Self {
        Self::Refused(Kind::Invalid, text.into())
    }

    /// What the request names does not exist: 404.
    pub fn not_found(text: impl Into<Text>) -> Self {
        Self::Refused(Kind::NotFound, text.into())
    }

    /// There is nothing at this path: 404.
    pub fn unknown_path() -> Self {
        Self::Unfit(Kind::NotFound, "Not found.".into())
    }

    /// The viewer may not do this: 403.
    pub fn not_authorized() -> Self {
        Self::Refused(Kind::Forbidden, "Not authorized".into())
    }

    /// One field of the body is wrong: 400.
    pub fn field(field: &'static str, text: impl Into<Text>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, text);
        Self::Fields(errors)
    }

    /// A fault of the server, with its cause for the log: 500.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// What this service stands on does not answer now: 503.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    fn answer(&self) -> HttpResponse {
        match self {
            Self::Refused(_, text) => self.builder().json(Refused { error: text, detail: text }),
            Self::Unfit(_, text) => self.builder().json(Detail { detail: text }),
            Self::Fields(errors) => self.builder().json(errors.body()),
            Self::Unauthenticated(why) => self
                .builder()
                .insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="api""#))
                .json(NoEntry::from(why)),
            Self::TooMany { retry_after_seconds } => self
                .builder()
                .insert_header((header::RETRY_AFTER, retry_after_seconds.to_string()))
                .json(Detail { detail: "Too many attempts. Try again later." }),
            Self::Full { retry_after_seconds } => self
                .builder()
                .insert_header((header::RETRY_AFTER, retry_after_seconds.to_string()))
                .json(Detail { detail: "Too many sockets on this instance." }),
            Self::Unavailable(_) | Self::Raced => self
                .builder()
                .insert_header((header::RETRY_AFTER, RETRY_AFTER_OUTAGE_SECONDS.to_string()))
                .json(Detail { detail: "Service temporarily unavailable." }),
            Self::Internal(_) => self.builder().json(Detail { detail: "Internal server error." }),
        }
    }

    fn builder(&self) -> HttpResponseBuilder {
        HttpResponse::build(self.status_code())
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(kind, _) | Self::Unfit(kind, _) => kind.status(),
            Self::Fields(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Full { .. } | Self::Unavailable(_) | Self::Raced => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Internal(cause) => tracing::error!(cause = %cause, "request failed"),
            Self::Unavailable(cause) => tracing::warn!(cause = %cause, "request refused for now"),
            _ => {}
        }
        self.answer()
    }
}
