//! The [`RedisCounter`] counts in Redis, so that a limit holds across instances.
//!
//! No request fails or waits because of it: a query that Redis does not respond to at once
//! has no result, and then each instance counts for itself.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Script;
use secrecy::SecretString;
use tokio::runtime::Handle;

use super::gcra::Gcra;
use super::key::LimitKey;
use super::redis_connection::{QUERY_TIMEOUT, RedisConnection};
use crate::batching::{Batcher, Bounds, Job, Size, Turn};
use crate::db::Installation;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// What waits while a query is in flight is taken by the next one.
const TAKES: Bounds = Bounds {
    batches: 1,
    // In units of a limit: some 0.2 ms of Redis's time.
    cost: 64,
    // Further requests are counted on this instance alone.
    waiting_bytes: 1 << 20,
    wait: QUERY_TIMEOUT,
};

/// Takes one unit of each key, as [`Gcra::take`] does, by the clock of Redis. Returns, for each,
/// the time until a unit is available; 0 if it was taken, and -1 if Redis is full. At the end comes
/// why Redis stored nothing, if so.
///
/// A theoretical arrival time (`tat`) further ahead than the rate allows comes from a clock that
/// was set back since, and is lowered to the furthest that it does allow.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local waits, refusal = {}, ''
        for place, key in ipairs(KEYS) do
            local interval, tolerance = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
            local tat = tonumber(redis.call('GET', key) or now) or now
            tat = math.min(math.max(tat, now), now + tolerance + interval)
            local wait = tat - now - tolerance
            if wait > 0 then
                waits[place] = wait
            else
                tat = tat + interval
                local text, ttl = string.format('%.0f', tat), math.ceil((tat - now) / 1000)
                local set = redis.pcall('SET', key, text, 'PX', ttl)
                waits[place] = 0
                if set.err then
                    waits[place], refusal = -1, set.err
                end
            end
        end
        return {waits, refusal}",
    )
});

/// Gives one unit back, as [`Gcra::give_back`] does.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local tat = (tonumber(redis.call('GET', KEYS[1]) or now) or now) - tonumber(ARGV[1])
        if tat > now then
            redis.pcall('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
        else
            redis.call('DEL', KEYS[1])
        end
        return 0",
    )
});

/// Adds a member to a set of those that were added last, of which `ARGV[2]` are kept for `ARGV[3]`
/// seconds.
static REMEMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local added = redis.pcall('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
        if type(added) == 'table' then return 0 end
        redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2])
        redis.call('EXPIRE', KEYS[1], ARGV[3])
        return 1",
    )
});

/// Returns whether a member was added in the last `ARGV[2]` seconds, and is still kept.
static REMEMBERS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local added = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
        return added > redis.call('TIME')[1] - ARGV[2] and 1 or 0",
    )
});

/// What [`RedisCounter::take`] came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum TakeOutcome {
    /// A unit was taken.
    Taken,
    /// No unit is available; the time until one is.
    RetryAfter(Duration),
}

/// Counts in Redis.
pub(super) struct RedisCounter {
    installation: Installation,
    connection: Arc<RedisConnection>,
    takes: Batcher<Take, Option<TakeOutcome>>,
}

/// One unit to be taken.
struct Take {
    name: String,
    interval_us: u64,
    tolerance_us: u64,
}

impl RedisCounter {
    /// Connects, for a second at most or in the background later.
    ///
    /// # Errors
    ///
    /// If the Redis client does not accept the URL.
    pub(super) async fn start(
        url: &SecretString,
        installation: Installation,
        runtime: Handle,
        metrics: Metrics,
    ) -> Result<Arc<Self>, BoxError> {
        let connection = RedisConnection::start(url, runtime.clone(), metrics).await?;
        let of_takes = connection.clone();
        let size = |take: &Take| Size { bytes: size_of::<Take>() + take.name.len(), cost: 1 };
        let takes =
            Batcher::new(TAKES, size, runtime, move |jobs, turn| take_all(of_takes.clone(), jobs, turn));
        Ok(Arc::new(Self { installation, connection, takes }))
    }

    /// Takes one unit. Returns nothing if Redis is unavailable or slow.
    pub(super) async fn take(&self, limit: &str, key: LimitKey, gcra: &Gcra) -> Option<TakeOutcome> {
        let (interval_us, tolerance_us) = (gcra.interval_us, gcra.tolerance_us);
        self.takes
            .submit(Take { name: self.name(limit, key), interval_us, tolerance_us })
            .await
            .ok()
            .flatten()
    }

    /// Gives one unit back, if Redis is available.
    pub(super) async fn give_back(&self, limit: &str, key: LimitKey, gcra: &Gcra) {
        let mut give_back = GIVE_BACK.key(self.name(limit, key));
        give_back.arg(gcra.interval_us);
        let give_back = &give_back;
        let query = |mut conn| async move { give_back.invoke_async(&mut conn).await };
        let _: Option<u64> = self.connection.query(query).await;
    }

    /// Adds a member to a set of those that were added last, if Redis is available: `kept` of them
    /// are remembered for a time.
    pub(super) async fn remember(
        &self,
        set: &str,
        key: LimitKey,
        member: LimitKey,
        kept: usize,
        time: Duration,
    ) {
        let mut remember = REMEMBER.key(self.name(set, key));
        remember.arg(member.to_string()).arg(kept).arg(time.as_secs());
        let remember = &remember;
        let query = |mut conn| async move { remember.invoke_async(&mut conn).await };
        let _: Option<u64> = self.connection.query(query).await;
    }

    /// Returns whether a member was added within a time, and is still remembered; false if Redis
    /// is unavailable.
    pub(super) async fn remembers(&self, set: &str, key: LimitKey, member: LimitKey, time: Duration) -> bool {
        let mut remembers = REMEMBERS.key(self.name(set, key));
        remembers.arg(member.to_string()).arg(time.as_secs());
        let remembers = &remembers;
        let query = |mut conn| async move { remembers.invoke_async(&mut conn).await };
        self.connection.query(query).await.unwrap_or(false)
    }

    /// Returns the name in Redis.
    fn name(&self, limit: &str, key: LimitKey) -> String {
        self.installation.key("numeneon_limit", format_args!("{limit}:{key}"))
    }
}

/// Takes units, by one query.
async fn take_all(connection: Arc<RedisConnection>, jobs: Vec<Job<Take, Option<TakeOutcome>>>, turn: Turn) {
    let (takes, responders): (Vec<_>, Vec<_>) = jobs.into_iter().map(Job::split).unzip();
    let mut invocation = TAKE.prepare_invoke();
    for take in takes {
        invocation.key(take.name).arg(take.interval_us).arg(take.tolerance_us);
    }
    let invocation = &invocation;
    let query = |mut conn| async move { invocation.invoke_async(&mut conn).await };
    let taken: Option<(Vec<i64>, String)> = connection.query_until(turn.deadline(), query).await;
    match &taken {
        Some((_, refusal)) if !refusal.is_empty() => connection.refused(refusal),
        Some(_) => connection.succeeded(),
        None => {}
    }
    for (place, responder) in responders.into_iter().enumerate() {
        let wait_us = taken.as_ref().and_then(|(waits, _)| u64::try_from(*waits.get(place)?).ok());
        responder.respond(wait_us.map(|wait_us| match wait_us {
            0 => TakeOutcome::Taken,
            wait_us => TakeOutcome::RetryAfter(Duration::from_micros(wait_us)),
        }));
    }
}
