//! The kinds of faults, and what each may cost.

use serde::Serialize;
use std::fmt;

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `kill -9` of an instance, which starts again some time later.
    InstanceKill,
    /// SIGTERM to an instance, which starts again once it has ended.
    InstanceStop,
    /// Each instance in turn is stopped by SIGTERM and started.
    RollingRestart,
    /// `kill -9` of Redis, which comes back with its data.
    RedisKill,
    /// `kill -9` of Redis, which comes back empty.
    RedisKillEmpty,
    /// `FLUSHALL`.
    RedisFlush,
    /// `CLIENT KILL TYPE pubsub`: every instance loses its subscriptions.
    RedisKillPubsub,
    /// Redis is stopped by SIGSTOP and goes on later.
    RedisFreeze,
    /// PostgreSQL is stopped in an orderly way and started.
    PostgresRestart,
    /// PostgreSQL dies as in a crash and is started.
    PostgresKill,
    /// PostgreSQL, all of its processes, is stopped by SIGSTOP and goes on later.
    PostgresFreeze,
    /// A proxy on the way goes silent for some sockets, without closing them.
    ConnectionCut,
    /// A client stops reading while much is sent to it, and reads on later.
    ReaderStops,
    /// Sockets are opened with a cursor twice, with old ones, and with one ahead.
    Cursors,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::InstanceKill,
        Self::InstanceStop,
        Self::RollingRestart,
        Self::RedisKill,
        Self::RedisKillEmpty,
        Self::RedisFlush,
        Self::RedisKillPubsub,
        Self::RedisFreeze,
        Self::PostgresRestart,
        Self::PostgresKill,
        Self::PostgresFreeze,
        Self::ConnectionCut,
        Self::ReaderStops,
        Self::Cursors,
    ];

    /// Milliseconds after its end within which every socket must be current.
    #[must_use]
    pub fn limit_ms(self) -> u64 {
        match self {
            Self::RedisKill
            | Self::RedisKillEmpty
            | Self::RedisFlush
            | Self::RedisKillPubsub
            | Self::RedisFreeze => 2000,
            _ => 5000,
        }
    }

    /// Whether requests may be answered with an error, or not at all, meanwhile.
    /// Never because of Redis, a planned stop, or somebody's socket.
    #[must_use]
    pub fn may_fail_requests(self) -> bool {
        matches!(self, Self::InstanceKill | Self::PostgresRestart | Self::PostgresKill | Self::PostgresFreeze)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InstanceKill => "instance-kill",
            Self::InstanceStop => "instance-stop",
            Self::RollingRestart => "rolling-restart",
            Self::RedisKill => "redis-kill",
            Self::RedisKillEmpty => "redis-kill-empty",
            Self::RedisFlush => "redis-flush",
            Self::RedisKillPubsub => "redis-kill-pubsub",
            Self::RedisFreeze => "redis-freeze",
            Self::PostgresRestart => "postgres-restart",
            Self::PostgresKill => "postgres-kill",
            Self::PostgresFreeze => "postgres-freeze",
            Self::ConnectionCut => "connection-cut",
            Self::ReaderStops => "reader-stops",
            Self::Cursors => "cursors",
        })
    }
}

/// Returns that many faults in random order, each kind as often as any other,
/// give or take one.
#[must_use]
pub fn schedule(kinds: &[Kind], count: usize, random: &mut fastrand::Rng) -> Vec<Kind> {
    let mut faults = Vec::with_capacity(count + kinds.len());
    while faults.len() < count {
        let mut bag = kinds.to_vec();
        random.shuffle(&mut bag);
        faults.extend(bag);
    }
    faults.truncate(count);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again() {
        let of = |seed| schedule(&Kind::ALL, 40, &mut fastrand::Rng::with_seed(seed));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn every_kind_comes_once_before_any_comes_twice() {
        let mut faults = schedule(&Kind::ALL, Kind::ALL.len(), &mut fastrand::Rng::with_seed(3));
        faults.sort();
        assert_eq!(faults, Kind::ALL);
    }

    #[test]
    fn the_name_is_the_same_in_text_and_json() -> serde_json::Result<()> {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind)?, format!("\"{kind}\""));
        }
        Ok(())
    }
}
