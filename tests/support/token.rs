//! Tokens that the tests sign themselves: valid ones, and every kind of invalid one.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::redaction::redact_panics;

/// Returns the current time in seconds since 1970.
pub fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_secs()).expect("seconds that fit")
}

/// Returns the claims of a valid access token.
pub fn claims(user: i64) -> Value {
    let now = seconds_now();
    json!({
        "token_type": "access",
        "exp": now + 3600,
        "iat": now,
        "jti": uuid::Uuid::new_v4().simple().to_string(),
        "user_id": user.to_string(),
    })
}

/// Signs claims, valid or not.
pub fn forge(key: &str, claims: &Value) -> String {
    forge_with(Algorithm::HS256, key, claims)
}

/// Signs claims with another algorithm.
pub fn forge_with(algorithm: Algorithm, key: &str, claims: &Value) -> String {
    redact_panics();
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token")
}
