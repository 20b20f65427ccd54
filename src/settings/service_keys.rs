//! A [`ServiceKey`] authenticates an integration, which announces events under its name.

use secrecy::{ExposeSecret, SecretString};

use super::invalid_setting::InvalidSetting;
use super::source::Source;

const NAME: &str = "SERVICE_KEYS";

/// The minimum length of a key: too long to be guessed.
const MIN_KEY_BYTES: usize = 32;

/// The maximum length of a name.
const MAX_NAME_CHARACTERS: usize = 32;

/// The name of an integration, and its credential.
#[derive(Clone, Debug)]
pub struct ServiceKey {
    /// 1 to 32 lowercase letters, digits and `-`.
    pub name: String,
    /// The bearer token.
    pub key: SecretString,
}

/// Reads the keys of all integrations. Names and keys are unique.
pub(super) fn read(source: &Source<'_>) -> Result<Vec<ServiceKey>, InvalidSetting> {
    let mut keys: Vec<ServiceKey> = Vec::new();
    for (member, place) in source.list(NAME).iter().zip(1..) {
        let key = parse(member).map_err(|why| InvalidSetting::new(NAME, format!("entry {place} {why}")))?;
        for other in &keys {
            if other.name == key.name {
                return Err(InvalidSetting::new(
                    NAME,
                    format!("entry {place} has the name of another entry"),
                ));
            }
            if other.key.expose_secret() == key.key.expose_secret() {
                return Err(InvalidSetting::new(NAME, format!("entry {place} has the key of another entry")));
            }
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Parses `name:key`. The error quotes none of it: a key may be in the place of the name.
fn parse(member: &str) -> Result<ServiceKey, String> {
    let Some((name, key)) = member.split_once(':') else {
        return Err("is not name:key".into());
    };
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=MAX_NAME_CHARACTERS).contains(&name.len()) || !name.bytes().all(is_allowed) {
        return Err(format!(
            "has a name that is not 1 to {MAX_NAME_CHARACTERS} lowercase letters, digits and -"
        ));
    }
    if key.len() < MIN_KEY_BYTES {
        return Err(format!("has a key of {} bytes; at least {MIN_KEY_BYTES} are required", key.len()));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a key with whitespace or other characters that are not allowed in a header".into());
    }
    Ok(ServiceKey { name: name.to_owned(), key: key.into() })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::parse;

    #[test]
    fn a_key_may_contain_colons() {
        let key = "a:key:of:more:than:32:bytes:and:some";
        let read = parse(&format!("posts:{key}"));
        assert!(read.is_ok_and(|it| it.name == "posts" && it.key.expose_secret() == key));
    }

    #[test]
    fn errors_do_not_quote_the_setting() {
        let long = "x".repeat(40);
        for member in [
            long.as_str(),
            "posts:short",
            "posts:",
            &format!(":{long}"),
            &format!("Posts:{long}"),
            &format!("posts:{long} x"),
        ] {
            let why = parse(member).err().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("xxx") && !why.contains("short"), "{member}: {why}");
        }
    }
}
