//! A token states whom a request is from, until it expires. [`Tokens`] signs and
//! verifies them in the form of `djangorestframework-simplejwt`: the tokens of either
//! server are valid at the other when they share the key.
//!
//! Whether a token was revoked is not part of it: see
//! [`revocation`](super::revocation).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, Result, Unauthenticated};
use crate::ids::{SignInId, UserId};
use crate::settings::Auth;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// For requests and sockets.
    Access,
    /// For new tokens only.
    Refresh,
    /// For one socket, within [`TICKET_LIFETIME`].
    Ticket,
}

/// How far the clock that a token was issued by may be ahead. Instances that synchronise their
/// clocks differ by milliseconds, and a step of the clock is corrected within a second or two.
const MAX_CLOCK_LEAD: Duration = Duration::from_secs(2);

/// How long a ticket is valid: the way to a page and back to the socket, on a bad line.
pub(super) const TICKET_LIFETIME: Duration = Duration::from_secs(30);

impl TokenType {
    const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Ticket => "ticket",
        }
    }
}

/// Why a token is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is not a token, or its signature, algorithm or times are wrong.
    Invalid,
    /// It has expired.
    Expired,
    /// It is of another type.
    WrongType,
    /// It has no type.
    NoType,
    /// It has no `jti`.
    NoId,
    /// It has no `exp`.
    NoExpiry,
    /// It has no user id.
    NoUser,
    /// It was revoked before it expired; a ticket, by opening a socket.
    Revoked,
}

impl TokenError {
    /// Returns the sentence of the contract.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Invalid => "Token is invalid",
            Self::Expired => "Token is expired",
            Self::WrongType => "Token has wrong type",
            Self::NoType => "Token has no type",
            Self::NoId => "Token has no id",
            Self::NoExpiry => "Token has no 'exp' claim",
            Self::NoUser => "Token contained no recognizable user identification",
            Self::Revoked => "Token is blacklisted",
        }
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        let (detail, code) = (error.text(), Some("token_not_valid"));
        Self::Unauthenticated(Unauthenticated { detail, code, access_token: None })
    }
}

/// An access token and a refresh token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pair)]
pub struct TokenPair {
    /// For requests and sockets; valid for an hour, unless set otherwise.
    pub access: String,
    /// For new tokens; valid for a week, unless set otherwise.
    pub refresh: String,
}

/// The claims of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user that it was issued to.
    pub user: UserId,
    /// When it was issued, in whole seconds of Unix time; 0 if it does not say.
    pub issued_at: i64,
    /// When it expires, in Unix time.
    pub expires_at: i64,
    /// The token's unique id.
    pub jti: String,
}

impl Claims {
    /// Returns the sign-in that the token was issued for.
    pub fn sign_in(&self) -> SignInId {
        SignInId::of_jti(&self.jti)
    }
}

/// Signs and verifies tokens.
pub struct Tokens {
    encoding: EncodingKey,
    /// The key that signs, and those that did before.
    decoding: Vec<DecodingKey>,
    validation: Validation,
    access: Duration,
    refresh: Duration,
}

#[derive(Serialize)]
struct EncodedClaims {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: String,
}

impl Tokens {
    /// Signs with the secret key, and accepts what was signed with it or a fallback.
    pub fn new(settings: &Auth) -> Self {
        let (key, fallbacks) = (&settings.secret_key, &settings.secret_key_fallbacks);
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked in `verify`, one by one: each has a sentence of its own.
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

    /// Issues both tokens of a user's sign-in, as of this second in Unix time.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if signing fails, which it does not.
    pub(super) fn issue_pair(&self, user: UserId, sign_in: SignInId, issued_at: i64) -> Result<TokenPair> {
        let sign = |token_type, lifetime| {
            self.sign(user, sign_in, token_type, issued_at, expiry(issued_at, lifetime))
        };
        Ok(TokenPair {
            access: sign(TokenType::Access, self.access)?,
            refresh: sign(TokenType::Refresh, self.refresh)?,
        })
    }

    /// Issues a ticket that expires after [`TICKET_LIFETIME`]. It is revoked with the access
    /// token that requested it, so its `iat` is that token's.
    ///
    /// # Errors
    ///
    /// As [`Tokens::issue_pair`].
    pub(super) fn issue_ticket(&self, user: UserId, sign_in: SignInId, issued_at: i64) -> Result<String> {
        self.sign(user, sign_in, TokenType::Ticket, issued_at, expiry(seconds_now(), TICKET_LIFETIME))
    }

    fn sign(
        &self,
        user: UserId,
        sign_in: SignInId,
        token_type: TokenType,
        iat: i64,
        exp: i64,
    ) -> Result<String> {
        let claims =
            EncodedClaims { token_type, exp, iat, jti: sign_in.new_jti(), user_id: user.to_string() };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(Error::internal)
    }

    /// Returns the claims of a valid token of this type.
    ///
    /// There is a leeway of [`MAX_CLOCK_LEAD`] for when it was issued, and none for its expiry.
    /// It may not be valid for longer than this service issues tokens of its type for: nobody who
    /// once had the key has tokens that outlive [its change](crate::settings::Auth).
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, in the contract's order.
    pub fn verify(&self, token: &str, token_type: TokenType) -> std::result::Result<Claims, TokenError> {
        let claims = self.signed_claims(token).ok_or(TokenError::Invalid)?;
        let now = now().as_secs_f64();
        for not_before in ["iat", "nbf"] {
            match claims.get(not_before).map(Value::as_f64) {
                None => {}
                Some(Some(time)) if time <= now + MAX_CLOCK_LEAD.as_secs_f64() => {}
                Some(_) => return Err(TokenError::Invalid),
            }
        }
        let expires_at = match claims.get("exp").map(Value::as_f64) {
            None => return Err(TokenError::NoExpiry),
            Some(None) => return Err(TokenError::Invalid),
            Some(Some(time)) if time <= now => return Err(TokenError::Expired),
            Some(Some(time)) => time.ceil() as i64,
        };
        let jti = match claims.get("jti") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return Err(TokenError::NoId),
        };
        match claims.get("token_type") {
            None => return Err(TokenError::NoType),
            Some(Value::String(text)) if text == token_type.name() => {}
            Some(_) => return Err(TokenError::WrongType),
        }
        let issued_at = claims.get("iat").and_then(Value::as_f64);
        // A ticket has the `iat` of an access token.
        let valid_from = issued_at.filter(|_| token_type != TokenType::Ticket);
        let latest_expiry =
            valid_from.unwrap_or(now + MAX_CLOCK_LEAD.as_secs_f64()) + self.lifetime(token_type);
        if expires_at as f64 > latest_expiry.ceil() {
            return Err(TokenError::Invalid);
        }
        let user = match claims.get("user_id") {
            Some(Value::String(digits)) if is_digits(digits) => UserId::from_digits(digits),
            Some(Value::Number(number)) if !number.is_f64() => {
                UserId::new(number.as_i64().unwrap_or_default())
            }
            _ => return Err(TokenError::NoUser),
        };
        let issued_at = issued_at.unwrap_or_default().floor() as i64;
        Ok(Claims { user, issued_at, expires_at, jti })
    }

    /// Returns how long access and refresh tokens are valid.
    pub(super) const fn lifetimes(&self) -> (Duration, Duration) {
        (self.access, self.refresh)
    }

    /// Returns for how many seconds tokens of a type are valid.
    fn lifetime(&self, token_type: TokenType) -> f64 {
        let lifetime = match token_type {
            TokenType::Access => self.access,
            TokenType::Refresh => self.refresh,
            TokenType::Ticket => TICKET_LIFETIME,
        };
        lifetime.as_secs_f64()
    }

    /// Returns the claims of a token that was signed with one of the keys.
    fn signed_claims(&self, token: &str) -> Option<Map<String, Value>> {
        let decode = |key| jsonwebtoken::decode::<Map<String, Value>>(token, key, &self.validation);
        self.decoding.iter().find_map(|key| decode(key).ok()).map(|token| token.claims)
    }
}

fn expiry(from: i64, lifetime: Duration) -> i64 {
    from.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}

/// Returns the present second in Unix time.
pub fn seconds_now() -> i64 {
    i64::try_from(now().as_secs()).unwrap_or(i64::MAX)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn now() -> Duration {
    // With a clock before 1970 every token was issued in the future, which is invalid.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
