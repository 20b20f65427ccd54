//! A handshake is what a client asks a socket with: a key, the last number that it has,
//! and whether it can be told why it is refused.

use actix_web::HttpRequest;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::auth::{AuthError, TokenError};
use crate::error::{Error, Kind, Result};
use crate::events::Seq;

/// The subprotocol of clients that can be told why they are refused.
pub(super) const PROTOCOL: &str = "numeneon.v1";

/// With what somebody asks for a socket.
#[derive(Debug)]
pub enum SocketCredential {
    /// An access token.
    Token(String),
    /// A ticket, good for one socket.
    Ticket(String),
}

impl SocketCredential {
    /// Whether there is nothing of it.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Token(text) | Self::Ticket(text) => text.is_empty(),
        }
    }
}

/// What a handshake asks for.
#[derive(Debug)]
pub struct Handshake {
    /// Who asks.
    pub key: Option<SocketCredential>,
    /// The last number that the client has.
    pub cursor: Option<Seq>,
    /// Whether the client offers `numeneon.v1`.
    pub versioned: bool,
}

impl Handshake {
    /// Says why nobody is let in.
    pub(super) const fn words(&self, refusal: &AuthError) -> &'static str {
        match (refusal, &self.key) {
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

    /// Reads the query and the offered subprotocols. A token among the latter wins: it
    /// is not in a URL. A ticket comes next.
    ///
    /// # Errors
    ///
    /// 400 if the cursor is no number.
    pub fn parse(request: &HttpRequest) -> Result<Self> {
        let mut handshake = Self { key: None, cursor: None, versioned: false };
        let (mut token, mut ticket, mut cursor) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            match &*name {
                // The first one counts.
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
                PROTOCOL => handshake.versioned = true,
                other => {
                    if let Some(token) = other.strip_prefix("bearer.") {
                        bearer = Some(token.to_owned());
                    }
                }
            }
        }
        let keys = [
            bearer.map(SocketCredential::Token),
            ticket.map(SocketCredential::Ticket),
            token.map(SocketCredential::Token),
        ];
        handshake.key = keys.into_iter().flatten().find(|key| !key.is_empty());
        Ok(handshake)
    }
}

/// A number beyond 64 bits is ahead of every inbox.
fn parse_cursor(digits: &str) -> Result<Seq> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Malformed(Kind::Invalid, "cursor must be a whole number".into()));
    }
    Ok(digits.parse().unwrap_or(Seq::MAX).min(Seq::MAX - 1))
}
