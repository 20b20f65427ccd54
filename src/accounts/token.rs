//! A token tells who makes a request, for as long as it is good. [`Tokens`] makes
//! and reads them, as `djangorestframework-simplejwt` does with its defaults: the
//! tokens of either server are good at the other when they share the key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

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
        }
    }
}

/// An access token and a refresh token.
#[derive(Debug, Serialize)]
pub struct Pair {
    access: String,
    refresh: String,
}

/// Makes and reads tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    access: Duration,
    refresh: Duration,
}

#[derive(Serialize)]
struct Claims {
    token_type: TokenType,
    exp: u64,
    iat: u64,
    jti: String,
    user_id: String,
}

impl Tokens {
    /// Signs and checks with this key.
    pub fn new(key: &SecretString, settings: &Credentials) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The claims are checked below, one by one, because each has its own words.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = key.expose_secret().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
            access: settings.access_token,
            refresh: settings.refresh_token,
        }
    }

    /// Makes both tokens for a user.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if signing fails, which it does not.
    pub fn pair(&self, user: UserId) -> Result<Pair> {
        Ok(Pair {
            access: self.sign(user, TokenType::Access, self.access)?,
            refresh: self.sign(user, TokenType::Refresh, self.refresh)?,
        })
    }

    fn sign(&self, user: UserId, token_type: TokenType, lifetime: Duration) -> Result<String> {
        let iat = now().as_secs();
        let claims = Claims {
            token_type,
            exp: iat + lifetime.as_secs(),
            iat,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            user_id: user.to_string(),
        };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).map_err(Error::internal)
    }

    /// Returns the user whom a token of this type names. There is no leeway.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in the order in which the contract looks.
    pub fn user(&self, token: &str, token_type: TokenType) -> std::result::Result<UserId, Fault> {
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &self.decoding, &self.validation)
            .map_err(|_| Fault::Invalid)?
            .claims;
        let now = now().as_secs_f64();
        for not_before in ["iat", "nbf"] {
            match claims.get(not_before).map(Value::as_f64) {
                None => {}
                Some(Some(time)) if time <= now => {}
                Some(_) => return Err(Fault::Invalid),
            }
        }
        match claims.get("exp").map(Value::as_f64) {
            None => return Err(Fault::NoExpiry),
            Some(None) => return Err(Fault::Invalid),
            Some(Some(time)) if time <= now => return Err(Fault::Expired),
            Some(Some(_)) => {}
        }
        if !claims.contains_key("jti") {
            return Err(Fault::NoId);
        }
        let wanted = match token_type {
            TokenType::Access => "access",
            TokenType::Refresh => "refresh",
        };
        match claims.get("token_type") {
            None => return Err(Fault::NoType),
            Some(Value::String(text)) if text == wanted => {}
            Some(_) => return Err(Fault::WrongType),
        }
        match claims.get("user_id") {
            Some(Value::String(digits)) if is_number(digits) => Ok(UserId::from_digits(digits)),
            Some(Value::Number(number)) if !number.is_f64() => {
                Ok(UserId::new(number.as_i64().unwrap_or_default()))
            }
            _ => Err(Fault::NoUser),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn now() -> Duration {
    // A clock before 1970 makes every token one of the future: refused.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
