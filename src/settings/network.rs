//! A [`Network`] is a range of addresses, such as `10.0.0.0/8`.

use std::net::IpAddr;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Parses `<address>/<number of bits>`, or an address alone.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const INVALID: &str = "is not a network, such as 10.0.0.0/8";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(it, bits)| (it, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| INVALID)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |bits| bits.parse().map_err(|_| INVALID))?;
        let network = Self { address, prefix };
        match prefix > most || network.bits(address) != bits(address) {
            true => Err("is not a network: it has bits beyond its prefix".into()),
            false => Ok(network),
        }
    }

    /// Returns whether an address is in the network. Version 4 within 6 must be unmapped before.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && self.bits(address) == bits(self.address)
    }

    /// Returns the bits of an address that its prefix covers.
    fn bits(&self, address: IpAddr) -> u128 {
        let beyond = 128 - self.prefix - if address.is_ipv4() { 96 } else { 0 };
        bits(address).checked_shr(beyond).and_then(|kept| kept.checked_shl(beyond)).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn a_network_contains_the_addresses_of_its_prefix() {
        for (network, within, beyond) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("::1/128", "::1", "::2"),
        ] {
            let network = Network::parse(network).unwrap_or_else(|why| unreachable!("{network} {why}"));
            let contains = |address: &str| address.parse().is_ok_and(|address| network.contains(address));
            assert!(contains(within) && !contains(beyond), "{network:?}");
        }
    }

    #[test]
    fn another_text_is_an_error() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "a/8"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
