//! A [`Place`] is where an instance runs, as far as other settings depend on it.

use std::net::IpAddr;

use super::database_url::DatabaseUrl;

/// Where an instance runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Whether the database is SQLite.
    pub(super) has_sqlite: bool,
    /// Whether a Redis is set.
    pub(super) has_redis: bool,
    /// Whether only this machine reaches the instance.
    pub(super) is_loopback: bool,
}

impl Place {
    /// Returns where an instance with these settings runs.
    pub(super) fn new(host: &str, database: &DatabaseUrl, has_redis: bool) -> Self {
        Self {
            has_sqlite: matches!(database, DatabaseUrl::Sqlite(_)),
            has_redis,
            is_loopback: is_loopback(host),
        }
    }

    /// Returns whether the instance is standalone: SQLite without Redis, for this machine only.
    /// Everything else demands what a cluster does.
    pub(super) const fn is_standalone(self) -> bool {
        self.has_sqlite && !self.has_redis && self.is_loopback
    }
}

/// Returns whether a host is this machine for itself. A name other than `localhost` may be any.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_the_addresses_of_the_machine_for_itself_are_loopback() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "example.org", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
