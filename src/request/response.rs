//! The response to a request that was not done: the status, headers and body of an
//! [`Error`], in the contract's form.
//!
//! This is the only module that maps errors to status codes.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

pub use crate::error::FieldErrors;
use crate::error::{Error, Kind, Unauthenticated};

/// Seconds after which a client may try again what an outage prevented: most outages are
/// a restart, and a second is what one takes.
const RETRY_AFTER_OUTAGE_SECONDS: u64 = 1;

/// Why a request was not done, in a sentence.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "detail": "Not found." }))]
pub struct Detail<'a> {
    /// A sentence for people.
    pub detail: &'a str,
}

/// The rule of the service that rejects a request: one sentence under two names.
#[derive(Serialize, ToSchema)]
#[schema(as = Refused, example = json!({ "error": "Not authorized", "detail": "Not authorized" }))]
pub struct Rejection<'a> {
    /// A sentence for people.
    pub error: &'a str,
    /// The same sentence.
    pub detail: &'a str,
}

/// Why a request is not authenticated.
#[derive(Serialize, ToSchema)]
#[schema(as = NoEntry, example = json!({ "detail": "Authentication credentials were not provided." }))]
pub struct UnauthorizedBody {
    /// A sentence for people.
    detail: &'static str,
    /// The cause as a word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'static str>,
    /// What is wrong with the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    messages: Option<Vec<TokenFault>>,
}

/// What is wrong with a token.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "token_class": "AccessToken", "token_type": "access", "message": "Token is expired" }))]
struct TokenFault {
    token_class: &'static str,
    token_type: &'static str,
    message: &'static str,
}

impl From<&Unauthenticated> for UnauthorizedBody {
    fn from(why: &Unauthenticated) -> Self {
        let fault = |message| TokenFault { token_class: "AccessToken", token_type: "access", message };
        Self { detail: why.detail, code: why.code, messages: why.access_token.map(|text| vec![fault(text)]) }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Rejected(kind, _) | Self::Malformed(kind, _) => status(*kind),
            Self::Fields(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::AtCapacity { .. } | Self::Unavailable(_) | Self::Locked(_) | Self::Conflict => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Internal(cause) => tracing::error!(cause = %cause, "request failed"),
            Self::Unavailable(cause) | Self::Locked(cause) => {
                tracing::warn!(cause = %cause, "request failed: unavailable");
            }
            Self::Conflict => tracing::warn!("request failed: conflicts with concurrent transactions"),
            _ => {}
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Rejected(_, text) => response.json(Rejection { error: text, detail: text }),
            Self::Malformed(_, text) => response.json(Detail { detail: text }),
            Self::Fields(errors) => response.json(errors),
            Self::Unauthenticated(why) => response
                .insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="api""#))
                .json(UnauthorizedBody::from(why)),
            Self::RateLimited { retry_after_seconds } => {
                try_again(response, *retry_after_seconds, "Too many attempts. Try again later.")
            }
            Self::AtCapacity { retry_after_seconds } => {
                try_again(response, *retry_after_seconds, "Too many sockets on this instance.")
            }
            Self::Unavailable(_) | Self::Locked(_) | Self::Conflict => {
                try_again(response, RETRY_AFTER_OUTAGE_SECONDS, "Service temporarily unavailable.")
            }
            Self::Internal(_) => response.json(Detail { detail: "Internal server error." }),
        }
    }
}

fn try_again(mut response: HttpResponseBuilder, seconds: u64, detail: &str) -> HttpResponse {
    response.insert_header((header::RETRY_AFTER, seconds.to_string())).json(Detail { detail })
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::WrongCredentials => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
    }
}
