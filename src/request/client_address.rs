//! The [`ClientAddress`] is the address that a request comes from, as far as that can be
//! trusted.
//!
//! Each proxy appends the address of its own peer to `X-Forwarded-For`. Entries before
//! those of trusted proxies are the client's own claim and are ignored. Trusted proxies are a
//! number of them, or whoever is in a network. Some platforms overwrite a header of their own instead.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};

use super::part::part;
use crate::error::{Error, Result};
use crate::settings::{Access, Network};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Returns the address that proxies in front report, as far as the settings trust them, or
    /// that of the connection's peer if they report none.
    pub fn new(headers: &HeaderMap, peer: Option<IpAddr>, access: &Access) -> Self {
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0])).to_canonical();
        let networks = &access.trusted_networks;
        if !networks.is_empty() && !is_in(networks, peer) {
            return Self(peer);
        }
        let stated = access.address_header.as_ref().and_then(|name| {
            // Of several, the platform has appended the last.
            address(headers.get_all(name).last()?.to_str().ok()?.trim())
        });
        let forwarded = || match access.trusted_proxies {
            0 if networks.is_empty() => None,
            0 => forwarded_for(headers).map_while(|entry| entry).find(|entry| !is_in(networks, *entry)),
            proxies => forwarded_for(headers).nth(proxies - 1).flatten(),
        };
        Self(stated.or_else(forwarded).unwrap_or(peer).to_canonical())
    }

    /// Returns the address that a request comes from.
    pub fn of(request: &HttpRequest, access: &Access) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let found = Self::new(request.headers(), peer, access);
        if is_private(found.0) && forwarded_for(request.headers()).flatten().any(|entry| !is_private(entry)) {
            warn_of_shared_address(found.0);
        }
        found
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

/// Returns the entries of all headers `X-Forwarded-For`, which count as one list, from its end. Those
/// that are no address count as positions too.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let values: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).map(|value| value.as_bytes()).collect();
    let from_end = values.into_iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    from_end.map(|entry| address(std::str::from_utf8(entry).ok()?.trim()))
}

fn is_in(networks: &[Network], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(address))
}

/// Returns whether an address is one of this machine or of a private network.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Logs, once, that the address found is that of a proxy.
fn warn_of_shared_address(address: IpAddr) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            client.address = %address,
            "client address is private, and X-Forwarded-For has public ones; proxies are not trusted as they should be"
        );
    });
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
        ready(part::<Access>(request).map(|access| Self::of(request, access)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::settings::Settings;

    const PEER: &str = "192.0.2.9";

    /// Returns the client address behind this many proxies, for these headers.
    fn found(trusted_proxies: usize, headers: &[&[u8]]) -> String {
        let mut map = HeaderMap::new();
        for value in headers {
            let value = HeaderValue::from_bytes(value).unwrap_or_else(|_| unreachable!("a value"));
            map.append(HeaderName::from_static(X_FORWARDED_FOR), value);
        }
        address_of(&map, PEER, &[("TRUSTED_PROXIES", &trusted_proxies.to_string())])
    }

    /// Returns the client address with these settings.
    fn address_of(headers: &HeaderMap, peer: &str, given: &[(&str, &str)]) -> String {
        client_address(headers, peer, given).ip().to_string()
    }

    fn client_address(headers: &HeaderMap, peer: &str, given: &[(&str, &str)]) -> ClientAddress {
        let lookup = |name: &str| match given.iter().find(|(given, _)| *given == name) {
            Some((_, value)) => Some((*value).to_owned()),
            None if name == "SECRET_KEY" => Some("a key of these tests that signs nothing".into()),
            None => None,
        };
        let settings = Settings::from_lookup(&lookup).unwrap_or_else(|why| unreachable!("{why}"));
        ClientAddress::new(headers, peer.parse().ok(), &settings.access)
    }

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            let value = HeaderValue::from_str(value).unwrap_or_else(|_| unreachable!("a value"));
            map.append(HeaderName::from_static(name), value);
        }
        map
    }

    #[test]
    fn the_last_entry_that_is_in_no_trusted_network_counts() {
        let trusted = [("TRUSTED_NETWORKS", "10.0.0.0/8, fd00::/8")];
        for (peer, entries, found) in [
            ("10.0.0.1", "198.51.100.9, 203.0.113.1, 10.9.9.9, fd00::1", "203.0.113.1"),
            ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
            ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
            ("192.0.2.9", "203.0.113.1", "192.0.2.9"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
            // What is before an entry that is no address may be anybody's claim.
            ("10.0.0.1", "203.0.113.1, unknown, 10.0.0.2", "10.0.0.1"),
        ] {
            let map = headers(&[("x-forwarded-for", entries)]);
            assert_eq!(address_of(&map, peer, &trusted), found, "{peer} {entries}");
        }
        let with_count = [trusted[0], ("TRUSTED_PROXIES", "2")];
        let map = headers(&[("x-forwarded-for", "203.0.113.1, 198.51.100.1")]);
        assert_eq!(address_of(&map, "10.0.0.1", &with_count), "203.0.113.1");
        assert_eq!(address_of(&map, "192.0.2.9", &with_count), "192.0.2.9");
    }

    #[test]
    fn a_header_that_the_platform_overwrites_comes_first() {
        let given = [("CLIENT_ADDRESS_HEADER", "CF-Connecting-IP"), ("TRUSTED_PROXIES", "1")];
        let of = |map: &HeaderMap| address_of(map, "10.0.0.1", &given);
        let forwarded = ("x-forwarded-for", "198.51.100.1");
        assert_eq!(of(&headers(&[("cf-connecting-ip", "203.0.113.1"), forwarded])), "203.0.113.1");
        assert_eq!(of(&headers(&[forwarded])), "198.51.100.1");
        assert_eq!(of(&headers(&[("cf-connecting-ip", "unknown"), forwarded])), "198.51.100.1");
        let stated = headers(&[("cf-connecting-ip", "203.0.113.1")]);
        assert_eq!(address_of(&stated, "10.0.0.1", &[]), "10.0.0.1");
        let from_elsewhere = [given[0], ("TRUSTED_NETWORKS", "10.0.0.0/8")];
        assert_eq!(address_of(&stated, "192.0.2.9", &from_elsewhere), "192.0.2.9");
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
        let network = |text: &str| client_address(&HeaderMap::new(), text, &[]).network();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:203.0.113.1"), network("203.0.113.1"));
        assert_ne!(network("203.0.113.1"), network("203.0.113.2"));
    }
}
