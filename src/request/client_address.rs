//! The [`ClientAddress`] is the address that a request comes from, as far as that can be
//! trusted.
//!
//! Each proxy appends the address of its own peer to `X-Forwarded-For`. Entries before
//! those of trusted proxies are the client's own claim and are ignored.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};

use super::part::part;
use crate::error::{Error, Result};
use crate::settings::Access;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Returns the address that the outermost of the trusted proxies appended, or that of
    /// the connection's peer if there are no such proxies, or the entry is missing or not
    /// an address.
    pub fn new(headers: &HeaderMap, peer: Option<IpAddr>, trusted_proxies: usize) -> Self {
        let forwarded = match trusted_proxies {
            0 => None,
            proxies => entry_from_end(headers, proxies),
        };
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        Self(forwarded.or(peer).unwrap_or(unspecified).to_canonical())
    }

    /// Returns the address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// Returns the address for limits: an IPv4 address, or the /64 network of an IPv6
    /// address, because a client may choose any address within it.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
            address => address,
        }
    }
}

/// Returns the entry at this position from the end of all the headers, which count as
/// one list, if it is an address. Entries that are none count as positions too.
fn entry_from_end(headers: &HeaderMap, place: usize) -> Option<IpAddr> {
    let values: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).map(|value| value.as_bytes()).collect();
    let mut from_end = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    address(std::str::from_utf8(from_end.nth(place.checked_sub(1)?)?).ok()?.trim())
}

/// Parses an address, with or without a port: some proxies append it.
fn address(entry: &str) -> Option<IpAddr> {
    let within_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| within_brackets().map(IpAddr::V6))
}

impl FromRequest for ClientAddress {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let access = part::<Access>(request);
        ready(access.map(|access| Self::new(request.headers(), peer, access.trusted_proxies)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const PEER: &str = "192.0.2.9";

    /// Returns the client address behind this many proxies, for these headers.
    fn found(trusted_proxies: usize, headers: &[&[u8]]) -> String {
        let mut map = HeaderMap::new();
        for value in headers {
            let value = HeaderValue::from_bytes(value).unwrap_or_else(|_| unreachable!("a value"));
            map.append(HeaderName::from_static(X_FORWARDED_FOR), value);
        }
        ClientAddress::new(&map, PEER.parse().ok(), trusted_proxies).ip().to_string()
    }

    #[test]
    fn without_trusted_proxies_the_header_is_ignored() {
        assert_eq!(found(0, &[]), PEER);
        assert_eq!(found(0, &[b"203.0.113.1"]), PEER);
    }

    #[test]
    fn the_entry_of_the_outermost_trusted_proxy_counts() {
        assert_eq!(found(1, &[b"203.0.113.1"]), "203.0.113.1");
        assert_eq!(found(2, &[b"203.0.113.1, 198.51.100.1"]), "203.0.113.1");
    }

    #[test]
    fn entries_before_those_of_trusted_proxies_are_ignored() {
        assert_eq!(found(1, &[b"10.0.0.1, 10.0.0.2, 203.0.113.1"]), "203.0.113.1");
        assert_eq!(found(2, &[b"10.0.0.1,203.0.113.1,198.51.100.1"]), "203.0.113.1");
        assert_eq!(found(1, &[b"10.0.0.1", b"203.0.113.1"]), "203.0.113.1", "a header of its own");
        assert_eq!(found(1, &[b"\xff\xfe, 203.0.113.1"]), "203.0.113.1", "no text at all");
        assert_eq!(found(1, &[b"unknown,,\"[::1]\", 203.0.113.1"]), "203.0.113.1");
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(found(2, &[b"10.0.0.1, 203.0.113.1", b"198.51.100.1"]), "203.0.113.1");
        assert_eq!(found(3, &[b"203.0.113.1", b"198.51.100.1, 198.51.100.2"]), "203.0.113.1");
    }

    #[test]
    fn without_enough_entries_the_peer_counts() {
        assert_eq!(found(1, &[]), PEER);
        assert_eq!(found(2, &[b"203.0.113.1"]), PEER);
        assert_eq!(found(16, &[b"203.0.113.1, 198.51.100.1"]), PEER);
    }

    #[test]
    fn an_entry_that_is_not_an_address_leaves_the_peer() {
        for entry in
            ["", "unknown", "_hidden", "999.1.1.1", "203.0.113.1:", "[::1", "::1]", "a\u{1F600}b", "%"]
        {
            assert_eq!(found(1, &[entry.as_bytes()]), PEER, "{entry}");
            assert_eq!(found(1, &[format!("203.0.113.1, {entry}").as_bytes()]), PEER, "{entry}");
        }
    }

    #[test]
    fn ports_and_brackets_are_removed() {
        assert_eq!(found(1, &[b"203.0.113.1:4711"]), "203.0.113.1");
        assert_eq!(found(1, &[b"[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(found(1, &[b"[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(found(1, &[b" 2001:db8::1 "]), "2001:db8::1");
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_one_its_ipv4_address() {
        let network = |text: &str| ClientAddress::new(&HeaderMap::new(), text.parse().ok(), 0).network();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:203.0.113.1"), network("203.0.113.1"));
        assert_ne!(network("203.0.113.1"), network("203.0.113.2"));
    }
}
