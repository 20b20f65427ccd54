//! A [`Handshake`] is a client's request for a socket: its credential, the last number that
//! it has, and whether it can read a close code.

use actix_web::HttpRequest;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;

use super::close_reason::CloseReason;
use crate::auth::{AuthError, TokenError};
use crate::error::{Error, Kind, Result};
use crate::events::{PROTOCOL, Seq};

/// What a socket is opened with.
#[derive(Debug)]
pub enum SocketCredential {
    /// An access token.
    Token(String),
    /// A ticket, which opens one socket.
    Ticket(String),
}

impl SocketCredential {
    /// Returns whether its text is empty.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Token(text) | Self::Ticket(text) => text.is_empty(),
        }
    }
}

/// A client's request for a socket.
#[derive(Debug)]
pub struct Handshake {
    /// Proves who the client is.
    pub credential: Option<SocketCredential>,
    /// The last number that the client has.
    pub cursor: Option<Seq>,
    /// Whether the client offers `numeneon.v1`.
    pub is_versioned: bool,
}

/// Why a handshake is refused.
pub(super) struct Refusal {
    /// The error response.
    pub(super) error: Error,
    /// The close frame that a client gets instead if it offers [`PROTOCOL`]; none if the
    /// service is at fault.
    pub(super) reason: Option<CloseReason>,
}

impl Refusal {
    pub(super) const fn new(reason: CloseReason, error: Error) -> Self {
        Self { error, reason: Some(reason) }
    }
}

impl Handshake {
    /// Returns the refusal of its credential.
    pub(super) fn refuse_credential(&self, error: AuthError) -> Refusal {
        if let AuthError::Failed(error) = error {
            return Refusal { error, reason: None };
        }
        let text = self.reason(&error);
        let error = Error::Malformed(Kind::Forbidden, text.into());
        Refusal::new(CloseReason::Unauthenticated(text), error)
    }

    /// Returns why its credential does not open a socket, for the client.
    const fn reason(&self, error: &AuthError) -> &'static str {
        match (error, &self.credential) {
            (AuthError::UserNotFound, _) => "user not found",
            (AuthError::UserInactive, _) => "user inactive",
            (_, None) => "token missing",
            (AuthError::Token(TokenError::Expired), Some(SocketCredential::Token(_))) => "token expired",
            (AuthError::Token(TokenError::Revoked), Some(SocketCredential::Token(_))) => "token revoked",
            (_, Some(SocketCredential::Token(_))) => "token invalid",
            (AuthError::Token(TokenError::Expired), Some(SocketCredential::Ticket(_))) => "ticket expired",
            (AuthError::Token(TokenError::Revoked), Some(SocketCredential::Ticket(_))) => "ticket used",
            (_, Some(SocketCredential::Ticket(_))) => "ticket invalid",
        }
    }

    /// Parses the query and the offered subprotocols.
    ///
    /// Of several credentials a token among the subprotocols takes precedence, because it is
    /// in no URL; then a ticket; then a token in the query.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] if the cursor is not a number.
    pub fn parse(request: &HttpRequest) -> Result<Self> {
        let mut handshake = Self { credential: None, cursor: None, is_versioned: false };
        let (mut token, mut ticket, mut cursor) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            match &*name {
                // Of several values of one name the first counts.
                "token" if token.is_none() => token = Some(value.into_owned()),
                "ticket" if ticket.is_none() => ticket = Some(value.into_owned()),
                "cursor" if cursor.is_none() => cursor = Some(value),
                _ => {}
            }
        }
        handshake.cursor = cursor.map(|digits| parse_cursor(&digits)).transpose()?;
        let mut bearer = None;
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
        for protocol in offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            match protocol.trim() {
                PROTOCOL => handshake.is_versioned = true,
                other => {
                    if let Some(token) = other.strip_prefix("bearer.") {
                        bearer = Some(token.to_owned());
                    }
                }
            }
        }
        let credentials = [
            bearer.map(SocketCredential::Token),
            ticket.map(SocketCredential::Ticket),
            token.map(SocketCredential::Token),
        ];
        handshake.credential = credentials.into_iter().flatten().find(|credential| !credential.is_empty());
        Ok(handshake)
    }
}

/// Parses digits. A number beyond 64 bits becomes one that is ahead of every inbox.
fn parse_cursor(digits: &str) -> Result<Seq> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Malformed(Kind::Invalid, "cursor must be a whole number".into()));
    }
    Ok(digits.parse().unwrap_or(Seq::MAX).min(Seq::MAX - 1))
}
