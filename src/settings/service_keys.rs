//! A [`ServiceKey`] lets another service publish events under its name.

use secrecy::{ExposeSecret, SecretString};

use super::InvalidSetting;
use super::source::Source;

const NAME: &str = "SERVICE_KEYS";

/// The least length of a key, in bytes: nobody tries them all.
const LEAST_BYTES: usize = 32;

/// The longest name.
const MOST_CHARACTERS: usize = 32;

/// Another service's name, and what it proves it with.
#[derive(Clone, Debug)]
pub struct ServiceKey {
    /// 1 to 32 small letters, digits and `-`.
    pub name: String,
    /// What stands behind `Bearer`.
    pub key: SecretString,
}

pub(super) fn read(source: &Source<'_>) -> Result<Vec<ServiceKey>, InvalidSetting> {
    let mut services: Vec<ServiceKey> = Vec::new();
    for (member, place) in source.list(NAME).iter().zip(1..) {
        let service =
            parse(member).map_err(|why| InvalidSetting::new(NAME, format!("number {place} {why}")))?;
        for other in &services {
            if other.name == service.name {
                return Err(InvalidSetting::new(NAME, format!("number {place} has the name of another")));
            }
            if other.key.expose_secret() == service.key.expose_secret() {
                return Err(InvalidSetting::new(NAME, format!("number {place} has the key of another")));
            }
        }
        services.push(service);
    }
    Ok(services)
}

/// Reads `name:key`. What is wrong is said without quoting any of it: a key may stand
/// where a name should.
fn parse(member: &str) -> Result<ServiceKey, String> {
    let Some((name, key)) = member.split_once(':') else {
        return Err("is not name:key".into());
    };
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=MOST_CHARACTERS).contains(&name.len()) || !name.bytes().all(is_letter) {
        return Err(format!("has a name that is not 1 to {MOST_CHARACTERS} small letters, digits and -"));
    }
    if key.len() < LEAST_BYTES {
        return Err(format!("has a key of {} bytes, and at least {LEAST_BYTES} are needed", key.len()));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a key with white space or other characters that a header does not carry".into());
    }
    Ok(ServiceKey { name: name.to_owned(), key: key.into() })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::parse;

    #[test]
    fn a_key_may_have_colons() {
        let key = "a:key:of:more:than:32:bytes:and:some";
        let read = parse(&format!("posts:{key}"));
        assert!(read.is_ok_and(|it| it.name == "posts" && it.key.expose_secret() == key));
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
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
