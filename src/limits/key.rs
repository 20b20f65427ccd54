//! A [`LimitKey`] identifies whose use is counted, without revealing an email or address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::ids::UserId;

/// Identifies whose use is counted, in 128 bits: a user's id or a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LimitKey(u128);

/// Makes keys out of emails and addresses.
///
/// They are hashed together with the service's secret key, because a hash of an email or an
/// address alone can be reversed by trying all of them: reading Redis does not reveal who
/// signs in from where.
pub(super) struct LimitKeys {
    /// A hash that has read the secret key.
    keyed: Sha256,
}

impl LimitKeys {
    /// Returns a maker of keys with this secret.
    pub(super) fn new(secret_key: &SecretString) -> Self {
        // Hashed by itself first, so that its length is fixed and what follows is unambiguous.
        let secret = Sha256::digest(secret_key.expose_secret().as_bytes());
        Self { keyed: Sha256::new().chain_update(b"numeneon_limit").chain_update(secret) }
    }

    /// Returns the key of an email, wherever it is used from.
    pub(super) fn email(&self, email: &str) -> LimitKey {
        self.hash(&[b"email", email.as_bytes()])
    }

    /// Returns the key of an address.
    pub(super) fn address(&self, address: IpAddr) -> LimitKey {
        self.hash(&[b"address", &octets(address)])
    }

    /// Returns the key of a network of IPv6 addresses, given its first one.
    pub(super) fn network(&self, first: Ipv6Addr, prefix: u32) -> LimitKey {
        self.hash(&[b"network", &first.octets(), &prefix.to_be_bytes()])
    }

    /// Returns the key of an email when used from one address.
    pub(super) fn email_at(&self, email: &str, address: IpAddr) -> LimitKey {
        self.hash(&[b"email at", &octets(address), email.as_bytes()])
    }

    fn hash(&self, parts: &[&[u8]]) -> LimitKey {
        let mut hash = self.keyed.clone();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        LimitKey(u128::from_be_bytes(bytes))
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

impl LimitKey {
    /// Returns the key of a user. The id is in the names of groups too: it is no secret.
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
    fn keys_differ_by_input_and_by_secret() {
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
