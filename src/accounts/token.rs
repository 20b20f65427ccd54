//! A token tells who makes a request, for as long as it is good. [`Tokens`] makes
//! and reads them, as `djangorestframework-simplejwt` does with its defaults: the
//! tokens of either server are good at the other when they share the key.
//!
//! Whether a token was ended before its time is not written on it: see
//! [`admission`](super::admission).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::settings::Credentials;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// For requests and sockets.
    Access,
    /// For new tokens only.
    Refresh,
    /// For one socket, within [`TICKET`].
    Ticket,
}

/// How long a ticket is good: the way to a page and back to the socket, on a bad line.
pub const TICKET: Duration = Duration::from_secs(30);

impl TokenType {
    const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Ticket => "ticket",
        }
    }
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none, or its signature, algorithm or times are wrong.
    Invalid,
    /// Its time is over.
    Expired,
    /// It is for something else.
    WrongType,
    /// It does not say what it is for.
    NoType,
    /// It has no `jti`.
    NoId,
    /// It has no `exp`.
    NoExpiry,
    /// It names no user.
    NoUser,
    /// It was ended, or used up, before its time.
    Ended,
}

impl Fault {
    /// Returns the fault in the contract's words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Invalid => "Token is invalid",
            Self::Expired => "Token is expired",
            Self::WrongType => "Token has wrong type",
            Self::NoType => "Token has no type",
            Self::NoId => "Token has no id",
            Self::NoExpiry => "Token has no 'exp' claim",
            Self::NoUser => "Token contained no recognizable user identification",
            Self::Ended => "Token is blacklisted",
        }
    }
}

/// An access token and a refresh token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pair {
    /// For requests and sockets; good for an hour, unless set otherwise.
    pub access: String,
    /// For new tokens; good for a week, unless set otherwise.
    pub refresh: String,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whom it names.
    pub user: UserId,
    /// When it was made, in Unix time, in whole seconds as all tokens say it; 0 if it does
    /// not say.
    pub issued_at: i64,
    /// When its time is over, in Unix time.
    pub expires_at: i64,
    /// What tells it from all others.
    pub jti: String,
}

/// Makes and reads tokens.
pub struct Tokens {
    encoding: EncodingKey,
    /// The key that signs, and those that did before it.
    decoding: Vec<DecodingKey>,
    validation: Validation,
    access: Duration,
    refresh: Duration,
}

#[derive(Serialize)]
struct Claims {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: String,
}

impl Tokens {
    /// Signs with the first key, and takes what was signed with any of them.
    pub fn new(key: &SecretString, fallbacks: &[SecretString], settings: &Credentials) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked below, one by one, because each has its own words.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let keys = std::iter::once(key).chain(fallbacks);
        Self {
            encoding: EncodingKey::from_secret(key.expose_secret().as_bytes()),
            decoding: keys.map(|key| DecodingKey::from_secret(key.expose_secret().as_bytes())).collect(),
            validation,
            access: settings.access_token,
            refresh: settings.refresh_token,
        }
    }

    /// Makes both tokens for a user, as of this second in Unix time.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if signing fails, which it does not.
    pub(super) fn pair(&self, user: UserId, issued_at: i64) -> Result<Pair> {
        Ok(Pair {
            access: self.sign(user, TokenType::Access, issued_at, expiry(issued_at, self.access))?,
            refresh: self.sign(user, TokenType::Refresh, issued_at, expiry(issued_at, self.refresh))?,
        })
    }

    /// Makes a ticket, good from now on for [`TICKET`]. It ends with the access token that
    /// asked for it, so it says that it was made when that was.
    ///
    /// # Errors
    ///
    /// As [`Tokens::pair`].
    pub(super) fn ticket(&self, user: UserId, issued_at: i64) -> Result<String> {
        self.sign(user, TokenType::Ticket, issued_at, expiry(seconds_now(), TICKET))
    }

    fn sign(&self, user: UserId, token_type: TokenType, iat: i64, exp: i64) -> Result<String> {
        let claims = Claims {
            token_type,
            exp,
            iat,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            user_id: user.to_string(),
        };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(Error::internal)
    }

    /// Returns what a token of this type says. There is no leeway.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in the order in which the contract looks.
    pub fn read(&self, token: &str, token_type: TokenType) -> std::result::Result<Claim, Fault> {
        let claims = self.signed(token).ok_or(Fault::Invalid)?;
        let now = now().as_secs_f64();
        for not_before in ["iat", "nbf"] {
            match claims.get(not_before).map(Value::as_f64) {
                None => {}
                Some(Some(time)) if time <= now => {}
                Some(_) => return Err(Fault::Invalid),
            }
        }
        let expires_at = match claims.get("exp").map(Value::as_f64) {
            None => return Err(Fault::NoExpiry),
            Some(None) => return Err(Fault::Invalid),
            Some(Some(time)) if time <= now => return Err(Fault::Expired),
            Some(Some(time)) => time.ceil() as i64,
        };
        let jti = match claims.get("jti") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return Err(Fault::NoId),
        };
        match claims.get("token_type") {
            None => return Err(Fault::NoType),
            Some(Value::String(text)) if text == token_type.name() => {}
            Some(_) => return Err(Fault::WrongType),
        }
        let user = match claims.get("user_id") {
            Some(Value::String(digits)) if is_number(digits) => UserId::from_digits(digits),
            Some(Value::Number(number)) if !number.is_f64() => {
                UserId::new(number.as_i64().unwrap_or_default())
            }
            _ => return Err(Fault::NoUser),
        };
        let issued_at = claims.get("iat").and_then(Value::as_f64).unwrap_or_default().floor() as i64;
        Ok(Claim { user, issued_at, expires_at, jti })
    }

    /// Returns the claims of a token that one of the keys signed.
    fn signed(&self, token: &str) -> Option<Map<String, Value>> {
        let read = |key| jsonwebtoken::decode::<Map<String, Value>>(token, key, &self.validation);
        self.decoding.iter().find_map(|key| read(key).ok()).map(|token| token.claims)
    }
}

fn expiry(from: i64, lifetime: Duration) -> i64 {
    from.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}

/// Returns the present second in Unix time.
pub(super) fn seconds_now() -> i64 {
    i64::try_from(now().as_secs()).unwrap_or(i64::MAX)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn now() -> Duration {
    // A clock before 1970 makes every token one of the future: refused.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
