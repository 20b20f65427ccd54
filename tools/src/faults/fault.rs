//! The faults that are injected, and the effects that each kind may have.

use serde::Serialize;
use std::fmt;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// `kill -9` of an instance, which is started again later.
    InstanceKill,
    /// SIGTERM to an instance, which is started again after it has exited.
    InstanceStop,
    /// SIGSTOP to an instance, which is continued later.
    InstanceFreeze,
    /// SIGTERM to each instance in turn, which is then started again.
    RollingRestart,
    /// `kill -9` of Redis, which is restarted with its data.
    RedisKill,
    /// `kill -9` of Redis, which is restarted empty.
    RedisKillEmpty,
    /// `FLUSHALL`.
    RedisFlush,
    /// `CLIENT KILL TYPE pubsub`: every instance loses its subscriptions.
    RedisKillPubsub,
    /// SIGSTOP to Redis, which is continued later.
    RedisFreeze,
    /// One instance loses its connections to Redis and gets no new ones, until later.
    RedisCut,
    /// One instance is led to another Redis server, and back later.
    RedisSplit,
    /// A replica is promoted and Redis demoted, while connections stay open; and back later.
    RedisFailover,
    /// `CLIENT PAUSE` again and again: Redis responds, but often late.
    RedisSlow,
    /// A fast shutdown of PostgreSQL, which is started again.
    PostgresRestart,
    /// An immediate shutdown of PostgreSQL, as in a crash, which is started again.
    PostgresKill,
    /// SIGSTOP to all processes of PostgreSQL, which are continued later.
    PostgresFreeze,
    /// PostgreSQL is dumped, and the dump restored later.
    PostgresRestore,
    /// The primary is killed for good, and a standby promoted that has not received everything.
    PostgresFailover,
    /// Connections of the service are terminated while they commit.
    BackendKilled,
    /// A proxy goes silent for some sockets, without closing them.
    ConnectionCut,
    /// A client stops reading while many messages are sent to it, and continues later.
    ReaderStops,
    /// Sockets are opened with one cursor twice, an old cursor, and one ahead of the inbox.
    Cursors,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 22] = [
        Self::InstanceKill,
        Self::InstanceStop,
        Self::InstanceFreeze,
        Self::RollingRestart,
        Self::RedisKill,
        Self::RedisKillEmpty,
        Self::RedisFlush,
        Self::RedisKillPubsub,
        Self::RedisFreeze,
        Self::RedisCut,
        Self::RedisSplit,
        Self::RedisFailover,
        Self::RedisSlow,
        Self::PostgresRestart,
        Self::PostgresKill,
        Self::PostgresFreeze,
        Self::PostgresRestore,
        Self::PostgresFailover,
        Self::BackendKilled,
        Self::ConnectionCut,
        Self::ReaderStops,
        Self::Cursors,
    ];

    /// Returns how long after its end every socket must be current, in milliseconds.
    #[must_use]
    pub fn max_delay_ms(self) -> u64 {
        match self {
            Self::RedisKill
            | Self::RedisKillEmpty
            | Self::RedisFlush
            | Self::RedisKillPubsub
            | Self::RedisFreeze
            | Self::RedisCut
            | Self::RedisSplit
            | Self::RedisSlow => 2000,
            _ => 5000,
        }
    }

    /// Whether the instances must reach Redis through proxies.
    #[must_use]
    pub fn needs_redis_paths(self) -> bool {
        matches!(self, Self::RedisCut | Self::RedisSplit | Self::RedisFailover)
    }

    /// Whether requests may fail or get no response because of it. They may not because
    /// of Redis, a planned stop, or a client's socket.
    #[must_use]
    pub fn may_fail_requests(self) -> bool {
        matches!(
            self,
            Self::InstanceKill
                | Self::InstanceFreeze
                | Self::PostgresRestart
                | Self::PostgresKill
                | Self::PostgresFreeze
                | Self::PostgresRestore
                | Self::PostgresFailover
                | Self::BackendKilled
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InstanceKill => "instance-kill",
            Self::InstanceStop => "instance-stop",
            Self::InstanceFreeze => "instance-freeze",
            Self::RollingRestart => "rolling-restart",
            Self::RedisKill => "redis-kill",
            Self::RedisKillEmpty => "redis-kill-empty",
            Self::RedisFlush => "redis-flush",
            Self::RedisKillPubsub => "redis-kill-pubsub",
            Self::RedisFreeze => "redis-freeze",
            Self::RedisCut => "redis-cut",
            Self::RedisSplit => "redis-split",
            Self::RedisFailover => "redis-failover",
            Self::RedisSlow => "redis-slow",
            Self::PostgresRestart => "postgres-restart",
            Self::PostgresKill => "postgres-kill",
            Self::PostgresFreeze => "postgres-freeze",
            Self::PostgresRestore => "postgres-restore",
            Self::PostgresFailover => "postgres-failover",
            Self::BackendKilled => "backend-killed",
            Self::ConnectionCut => "connection-cut",
            Self::ReaderStops => "reader-stops",
            Self::Cursors => "cursors",
        })
    }
}

/// A time whose writes an older state of the database does not have.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten {
    /// When the older state was taken.
    pub from_ms: u64,
    /// When it replaced the newer one.
    pub until_ms: u64,
}

impl Forgotten {
    /// Returns whether a write that was acknowledged then may be gone.
    #[must_use]
    pub fn contains(&self, at_ms: u64) -> bool {
        (self.from_ms..=self.until_ms).contains(&at_ms)
    }
}

/// One injected fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// When it began.
    pub begin_ms: u64,
    /// When it ended. What was killed may still be down then, if the rest of the
    /// cluster must do without it.
    pub end_ms: u64,
}

/// Returns `count` faults in random order, in which the numbers of faults of two kinds
/// differ by at most one.
#[must_use]
pub fn schedule(kinds: &[FaultKind], count: usize, random: &mut fastrand::Rng) -> Vec<FaultKind> {
    let mut faults = Vec::with_capacity(count + kinds.len());
    while faults.len() < count {
        let mut round = kinds.to_vec();
        random.shuffle(&mut round);
        faults.extend(round);
    }
    faults.truncate(count);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let with_seed = |seed| schedule(&FaultKind::ALL, 40, &mut fastrand::Rng::with_seed(seed));
        assert_eq!(with_seed(1), with_seed(1));
        assert_ne!(with_seed(1), with_seed(2));
    }

    #[test]
    fn every_kind_is_used_once_before_any_is_used_twice() {
        let mut faults = schedule(&FaultKind::ALL, FaultKind::ALL.len(), &mut fastrand::Rng::with_seed(3));
        faults.sort();
        assert_eq!(faults, FaultKind::ALL);
    }

    #[test]
    fn a_kind_has_the_same_name_in_text_and_json() -> serde_json::Result<()> {
        for kind in FaultKind::ALL {
            assert_eq!(serde_json::to_string(&kind)?, format!("\"{kind}\""));
        }
        Ok(())
    }
}
