//! Tokens: an accepted token was signed with the key, has not expired, and is of the
//! expected type.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use numeneon::auth::{TokenType, Tokens};
use numeneon::settings::Auth;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;

/// The key that signs the tokens of this target: a fallback key.
pub const KEY: &str = "a key for fuzzing, and for nothing else";

const HEADER: &[u8] = br#"{"typ":"JWT","alg":"HS256"}"#;

const TYPES: [(TokenType, &str); 3] =
    [(TokenType::Access, "access"), (TokenType::Refresh, "refresh"), (TokenType::Ticket, "ticket")];

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    // A token signed with a fallback key takes another path than one of the current key.
    Tokens::new(&Auth {
        secret_key: SecretString::from("the current signing key"),
        secret_key_fallbacks: vec![SecretString::from(KEY)],
        access_token: Duration::from_secs(60),
        refresh_token: Duration::from_secs(60),
        hashes_at_once: 1,
    })
});

/// The first byte determines the rest: `c`, claims that are signed; `h`, a header and
/// claims on two lines that are signed; otherwise, a token.
pub fn token(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let token = match kind {
        b'c' => signed(HEADER, rest),
        b'h' => {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (header, claims) = rest.split_at(end);
            signed(header, claims.get(1..).unwrap_or_default())
        }
        _ => String::from_utf8_lossy(rest).into_owned(),
    };
    for (token_type, name) in TYPES {
        if let Ok(accepted) = TOKENS.verify(&token, token_type) {
            let claims = verified(&token).expect("an accepted token is signed with the key");
            assert_eq!(claims["token_type"], name, "its type is the expected one");
            assert!(claims["exp"].as_f64().expect("a time") > now() - 1.0, "it has not expired");
            assert!(claims.get("iat").is_none_or(|iat| iat.as_f64().expect("a time") <= now()));
            assert!(claims.get("jti").is_some(), "it has an id");
            let now = now() as i64;
            assert!(accepted.expires_at >= now && accepted.issued_at <= now, "{accepted:?}");
        }
    }
}

/// Signs any header and claims.
pub fn signed(header: &[u8], claims: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = mac(&text).finalize().into_bytes();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Verifies the signature independently of the service, and returns the claims.
fn verified(token: &str) -> Option<Value> {
    let (text, signature) = token.rsplit_once('.')?;
    mac(text).verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let (_, claims) = text.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn mac(text: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("HMAC accepts any key");
    mac.chain_update(text)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64()
}
