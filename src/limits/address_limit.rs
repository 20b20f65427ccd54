//! An [`AddressLimit`] limits what comes from an address and, with IPv6, from the networks around
//! it: a client has at least a /64 to choose addresses from, a customer often a /56, and who rents
//! a /48 has 65,536 networks of that size.

use std::net::{IpAddr, Ipv6Addr};

use super::key::{LimitKey, LimitKeys};
use super::limit::Limit;
use crate::error::Result;
use crate::settings::Rate;

/// The prefixes of the networks that are counted, and how many times the rate each may take. More
/// people share a wider one.
const NETWORKS: [(u32, u32); 3] = [(64, 1), (56, 4), (48, 16)];

/// One rate for each address, and multiples of it for the networks around an IPv6 address.
pub(super) struct AddressLimit {
    /// By [`NETWORKS`]; an IPv4 address is counted by the first alone.
    limits: [Limit; NETWORKS.len()],
}

impl AddressLimit {
    /// Returns a limit at this rate. `limit` makes one of a single rate.
    pub(super) fn new(rate: Option<Rate>, limit: impl Fn(Option<Rate>) -> Limit) -> Self {
        Self { limits: NETWORKS.map(|(_, factor)| limit(rate.map(|rate| rate.times(factor)))) }
    }

    /// Takes one unit, on this instance and in Redis.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next unit, here and below.
    pub(super) async fn take(&self, keys: &LimitKeys, address: IpAddr) -> Result<()> {
        self.take_locally(keys, address)?;
        self.take_in_redis(keys, address).await
    }

    /// Takes one unit on this instance only.
    pub(super) fn take_locally(&self, keys: &LimitKeys, address: IpAddr) -> Result<()> {
        for (place, (limit, key)) in self.counted(keys, address).enumerate() {
            if let Err(refusal) = limit.take_locally(key) {
                self.counted(keys, address).take(place).for_each(|(limit, key)| limit.give_back_locally(key));
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Takes in Redis the unit that was taken locally. If none is available there, gives it
    /// back locally.
    pub(super) async fn take_in_redis(&self, keys: &LimitKeys, address: IpAddr) -> Result<()> {
        for (place, (limit, key)) in self.counted(keys, address).enumerate() {
            if let Err(refusal) = limit.take_in_redis(key).await {
                for (given, (limit, key)) in self.counted(keys, address).enumerate() {
                    match given.cmp(&place) {
                        std::cmp::Ordering::Less => limit.give_back(key).await,
                        std::cmp::Ordering::Equal => {}
                        std::cmp::Ordering::Greater => limit.give_back_locally(key),
                    }
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Gives back a unit that was taken on this instance and in Redis.
    pub(super) async fn give_back(&self, keys: &LimitKeys, address: IpAddr) {
        for (limit, key) in self.counted(keys, address) {
            limit.give_back(key).await;
        }
    }

    /// Gives back a unit that was taken on this instance only.
    pub(super) fn give_back_locally(&self, keys: &LimitKeys, address: IpAddr) {
        self.counted(keys, address).for_each(|(limit, key)| limit.give_back_locally(key));
    }

    /// Returns what an address is counted by, with its key.
    fn counted(&self, keys: &LimitKeys, address: IpAddr) -> impl Iterator<Item = (&Limit, LimitKey)> {
        let count = if address.is_ipv4() { 1 } else { NETWORKS.len() };
        self.limits.iter().zip(NETWORKS).take(count).map(move |(limit, (prefix, _))| {
            let key = match address {
                IpAddr::V4(_) => keys.address(address),
                IpAddr::V6(address) => keys.network(network(address, prefix), prefix),
            };
            (limit, key)
        })
    }
}

/// Returns the first address of the network with this prefix, which is 1 to 128.
fn network(address: Ipv6Addr, prefix: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & u128::MAX << (128 - prefix))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{AddressLimit, NETWORKS};
    use crate::limits::key::LimitKeys;
    use crate::limits::limit::Limit;
    use crate::settings::Rate;
    use crate::telemetry::Metrics;

    /// Returns how many units are taken when each comes from another of these addresses.
    fn taken(addresses: impl Iterator<Item = String>) -> usize {
        let rate = Rate { burst: std::num::NonZeroU32::MIN, period: std::time::Duration::from_secs(3_600) };
        let limit = AddressLimit::new(Some(rate), |rate| Limit::new("test", rate, None, Metrics::default()));
        let keys = LimitKeys::new(&"a key".into());
        let addresses = addresses.map(|text| text.parse::<IpAddr>());
        addresses.filter(|it| it.as_ref().is_ok_and(|it| limit.take_locally(&keys, *it).is_ok())).count()
    }

    #[test]
    fn a_network_of_ipv6_has_a_multiple_of_the_rate_of_each_network_within_it() {
        assert_eq!(NETWORKS.map(|(_, factor)| factor), [1, 4, 16]);
        assert_eq!(taken((0..100).map(|host| format!("2001:db8:1:1::{host:x}"))), 1);
        assert_eq!(taken((0..100).map(|net| format!("2001:db8:1:{net:x}::1"))), 4);
        assert_eq!(taken((0..1_000).map(|net| format!("2001:db8:1:{:x}::1", net * 64))), 16);
        assert_eq!(taken((0..100).map(|net| format!("2001:db8:{net:x}::1"))), 100);
        assert_eq!(taken((0..100).map(|host| format!("192.0.2.{host}"))), 100);
    }
}
