//! Access tokens signed with the server's secret key, for people who exist already.
//!
//! A password hash takes tens of milliseconds of processor time, so ten thousand
//! people are not signed up for a measurement: they are seeded in the database, and
//! their tokens are signed here.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a token is valid: as long as the server's own.
const ACCESS_TOKEN_SECONDS: u64 = 3600;

/// Returns an access token for the user, signed with the secret key.
///
/// # Errors
///
/// If the clock is set before 1970.
pub fn access(secret_key: &str, user_id: u64) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = format!(
        r#"{{"token_type":"access","exp":{},"iat":{now},"jti":"{:032x}","user_id":"{user_id}"}}"#,
        now + ACCESS_TOKEN_SECONDS,
        fastrand::u128(..),
    );
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).context("secret key")?;
    mac.update(token.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_names_the_user() -> anyhow::Result<()> {
        let token = access("a key of no account whatsoever", 42)?;
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1])?)?;
        assert!(claims.contains(r#""user_id":"42""#), "{claims}");
        Ok(())
    }
}
