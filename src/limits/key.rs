//! A [`LimitKey`] says whose use of something is counted, without saying who that is.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::ids::UserId;

/// Whose use is counted: 128 bits, which are a person's number or a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LimitKey(u128);

/// Makes keys out of emails and addresses.
///
/// They are hashed together with the service's own key, because hashes of either alone
/// can be undone by trying all there are: nobody who reads Redis learns who signs in
/// from where.
pub(super) struct LimitKeys {
    begun: Sha256,
}

impl LimitKeys {
    pub(super) fn new(secret_key: &SecretString) -> Self {
        // Hashed by itself first, so that it is of one length whatever follows.
        let secret = Sha256::digest(secret_key.expose_secret().as_bytes());
        Self { begun: Sha256::new().chain_update(b"numeneon_limit").chain_update(secret) }
    }

    pub(super) fn email(&self, email: &str) -> LimitKey {
        self.hash(&[b"email", email.as_bytes()])
    }

    pub(super) fn address(&self, address: IpAddr) -> LimitKey {
        self.hash(&[b"address", &octets(address)])
    }

    /// The key of an email as seen from one address.
    pub(super) fn email_at(&self, email: &str, address: IpAddr) -> LimitKey {
        self.hash(&[b"email at", &octets(address), email.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> LimitKey {
        let mut hash = self.begun.clone();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        LimitKey(u128::from_be_bytes(half))
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

impl LimitKey {
    /// A person's number is in the names of groups too: it is no secret.
    pub(super) fn person(person: UserId) -> Self {
        Self(u128::from(person.number().unsigned_abs()))
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
impl From<u128> for LimitKey {
    fn from(number: u128) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_what_they_are_of_and_by_the_secret() {
        let one = LimitKeys::new(&"a key".into());
        let other = LimitKeys::new(&"another key".into());
        let address = IpAddr::from([10, 0, 0, 1]);
        let keys = [
            one.email("ada@example.com"),
            one.email("bob@example.com"),
            other.email("ada@example.com"),
            one.address(address),
            one.address(IpAddr::from([10, 0, 0, 2])),
            one.email_at("ada@example.com", address),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[place + 1..].contains(key), "{place}");
        }
        assert_eq!(keys[0], one.email("ada@example.com"));
    }
}
