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
/// the time until a unit is available; 0 if it was taken.
///
/// A theoretical arrival time (`tat`) further ahead than the rate allows comes from a clock that
/// was set back since, and is lowered to the furthest that it does allow.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local waits = {}
        for place, key in ipairs(KEYS) do
            local interval, tolerance = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
            local tat = tonumber(redis.call('GET', key) or now) or now
            tat = math.min(math.max(tat, now), now + tolerance + interval)
            local wait = tat - now - tolerance
            if wait > 0 then
                waits[place] = wait
            else
                tat = tat + interval
                redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
                waits[place] = 0
            end
        end
        return waits",
    )
});

/// Gives one unit back, as [`Gcra::give_back`] does.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local tat = (tonumber(redis.call('GET', KEYS[1]) or now) or now) - tonumber(ARGV[1])
        if tat > now then
            redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
        else
            redis.call('DEL', KEYS[1])
        end
        return 0",
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
        runtime: Handle,
        metrics: Metrics,
    ) -> Result<Arc<Self>, BoxError> {
        let connection = RedisConnection::start(url, runtime.clone(), metrics).await?;
        let of_takes = connection.clone();
        let size = |take: &Take| Size { bytes: size_of::<Take>() + take.name.len(), cost: 1 };
        let takes =
            Batcher::new(TAKES, size, runtime, move |jobs, turn| take_all(of_takes.clone(), jobs, turn));
        Ok(Arc::new(Self { connection, takes }))
    }

    /// Takes one unit. Returns nothing if Redis is unavailable or slow.
    pub(super) async fn take(&self, limit: &str, key: LimitKey, gcra: &Gcra) -> Option<TakeOutcome> {
        let (interval_us, tolerance_us) = (gcra.interval_us, gcra.tolerance_us);
        self.takes.submit(Take { name: name(limit, key), interval_us, tolerance_us }).await.ok().flatten()
    }

    /// Gives one unit back, if Redis is available.
    pub(super) async fn give_back(&self, limit: &str, key: LimitKey, gcra: &Gcra) {
        let mut give_back = GIVE_BACK.key(name(limit, key));
        give_back.arg(gcra.interval_us);
        let give_back = &give_back;
        let query = |mut conn| async move { give_back.invoke_async(&mut conn).await };
        let _: Option<u64> = self.connection.query(query).await;
    }

    /// Marks a key for a time, if Redis is available.
    pub(super) async fn mark(&self, marks: &str, key: LimitKey, time: Duration) {
        let mut set = redis::cmd("SET");
        set.arg(name(marks, key)).arg(1).arg("EX").arg(time.as_secs());
        let set = &set;
        let _: Option<()> =
            self.connection.query(|mut conn| async move { set.query_async(&mut conn).await }).await;
    }

    /// Returns whether a key is marked; false if Redis is unavailable.
    pub(super) async fn is_marked(&self, marks: &str, key: LimitKey) -> bool {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(name(marks, key));
        let exists = &exists;
        let query = |mut conn| async move { exists.query_async(&mut conn).await };
        self.connection.query(query).await.unwrap_or(false)
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
    let waits: Option<Vec<u64>> = connection.query_until(turn.deadline(), query).await;
    for (place, responder) in responders.into_iter().enumerate() {
        let wait_us = waits.as_ref().and_then(|waits| waits.get(place).copied());
        responder.respond(wait_us.map(|wait_us| match wait_us {
            0 => TakeOutcome::Taken,
            wait_us => TakeOutcome::RetryAfter(Duration::from_micros(wait_us)),
        }));
    }
}

/// Returns the name in Redis.
fn name(limit: &str, key: LimitKey) -> String {
    format!("numeneon_limit:{limit}:{key}")
}
