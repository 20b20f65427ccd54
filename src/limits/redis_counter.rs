//! The [`RedisCounter`] counts in Redis, so that a limit holds across instances.
//!
//! No request fails or waits because of it: a query that Redis does not respond to at once
//! has no result, and then each instance counts for itself.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::gcra::Gcra;
use super::key::LimitKey;
use crate::error::BoxError;
use crate::telemetry::{Degradation, Metrics};

/// How long Redis may take to respond to a query: a hundred times what it takes.
const QUERY_TIMEOUT: Duration = Duration::from_millis(100);

/// How long connecting may take; no request waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// For how long after a failure no query is sent.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes one unit, as [`Gcra::take`] does, by the clock of Redis. A theoretical arrival time
/// (`tat`) further ahead than the rate allows comes from a clock that was set back since, and
/// is lowered to the furthest that it does allow.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
        local tat = tonumber(redis.call('GET', KEYS[1]) or now) or now
        tat = math.min(math.max(tat, now), now + tolerance + interval)
        local wait = tat - now - tolerance
        if wait > 0 then return wait end
        tat = tat + interval
        redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
        return 0",
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

/// One connection to Redis, which carries all queries at the same time.
pub(super) struct RedisCounter {
    client: Client,
    /// While held: no await, and no call out of this file.
    state: Mutex<State>,
    /// Begins with a failed query or connection, and ends with the next query that succeeds.
    outage: Degradation,
    runtime: Handle,
    metrics: Metrics,
}

enum State {
    /// The connection with its number.
    Connected(u64, MultiplexedConnection),
    /// A task makes the connection with this number.
    Connecting(u64),
    /// The number of the last connection, and the time until which no query is sent.
    Disconnected(u64, Instant),
}

impl RedisCounter {
    /// Connects, within [`CONNECT_TIMEOUT`] or in the background later.
    ///
    /// # Errors
    ///
    /// If the Redis client does not accept the URL.
    pub(super) async fn start(
        url: &SecretString,
        runtime: Handle,
        metrics: Metrics,
    ) -> Result<Arc<Self>, BoxError> {
        let client = Client::open(url.expose_secret())?;
        let state = Mutex::new(State::Connecting(0));
        let this = Arc::new(Self { client, state, outage: Degradation::default(), runtime, metrics });
        this.connect(0).await;
        Ok(this)
    }

    /// Takes one unit. Returns nothing if Redis is unavailable or slow.
    pub(super) async fn take(
        self: &Arc<Self>,
        limit: &str,
        key: LimitKey,
        gcra: &Gcra,
    ) -> Option<TakeOutcome> {
        let mut take = TAKE.key(name(limit, key));
        take.arg(gcra.interval_us).arg(gcra.tolerance_us);
        let wait_us: u64 = self.query(async |mut conn| take.invoke_async(&mut conn).await).await?;
        Some(match wait_us {
            0 => TakeOutcome::Taken,
            wait_us => TakeOutcome::RetryAfter(Duration::from_micros(wait_us)),
        })
    }

    /// Gives one unit back, if Redis is available.
    pub(super) async fn give_back(self: &Arc<Self>, limit: &str, key: LimitKey, gcra: &Gcra) {
        let mut give_back = GIVE_BACK.key(name(limit, key));
        give_back.arg(gcra.interval_us);
        let _: Option<u64> = self.query(async |mut conn| give_back.invoke_async(&mut conn).await).await;
    }

    /// Marks a key for a time, if Redis is available.
    pub(super) async fn mark(self: &Arc<Self>, marks: &str, key: LimitKey, time: Duration) {
        let mut set = redis::cmd("SET");
        set.arg(name(marks, key)).arg(1).arg("EX").arg(time.as_secs());
        let _: Option<()> = self.query(async |mut conn| set.query_async(&mut conn).await).await;
    }

    /// Returns whether a key is marked; false if Redis is unavailable.
    pub(super) async fn is_marked(self: &Arc<Self>, marks: &str, key: LimitKey) -> bool {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(name(marks, key));
        self.query(async |mut conn| exists.query_async(&mut conn).await).await.unwrap_or(false)
    }

    /// Sends a query, if there is a connection, and waits for [`QUERY_TIMEOUT`] at most.
    async fn query<T>(
        self: &Arc<Self>,
        query: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let Some((number, conn)) = self.connection() else {
            self.metrics.limit_questions_failed.inc();
            return None;
        };
        let cause: BoxError = match timeout(QUERY_TIMEOUT, query(conn)).await {
            Ok(Ok(value)) => {
                self.succeeded();
                return Some(value);
            }
            Ok(Err(error)) => error.into(),
            Err(elapsed) => elapsed.into(),
        };
        self.metrics.limit_questions_failed.inc();
        self.failed(number, &cause);
        None
    }

    /// Returns the connection. If there is none, a task makes one, and the request goes on
    /// without it.
    fn connection(self: &Arc<Self>) -> Option<(u64, MultiplexedConnection)> {
        let mut state = self.state.lock();
        match &*state {
            State::Connected(number, conn) => Some((*number, conn.clone())),
            State::Disconnected(last, until) if Instant::now() >= *until => {
                let number = last + 1;
                *state = State::Connecting(number);
                let this = self.clone();
                self.runtime.spawn(async move { this.connect(number).await });
                None
            }
            State::Connecting(_) | State::Disconnected(..) => None,
        }
    }

    async fn connect(&self, number: u64) {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let cause: BoxError = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(conn)) => {
                *self.state.lock() = State::Connected(number, conn);
                return;
            }
            Ok(Err(error)) => error.into(),
            Err(elapsed) => elapsed.into(),
        };
        self.failed(number, &cause);
    }

    /// Drops a connection, unless a later one has replaced it.
    fn failed(&self, number: u64, cause: &BoxError) {
        {
            let mut state = self.state.lock();
            if !matches!(&*state, State::Connected(it, _) | State::Connecting(it) if *it == number) {
                return;
            }
            *state = State::Disconnected(number, Instant::now() + PAUSE);
        }
        if self.outage.begin() {
            tracing::warn!(cause = %cause, "limits counted per instance: Redis unavailable");
        } else {
            tracing::debug!(cause = %cause, "counting limits in Redis failed again");
        }
    }

    /// Ends an outage, unless another query has just dropped the connection.
    fn succeeded(&self) {
        if self.outage.is_present()
            && matches!(&*self.state.lock(), State::Connected(..))
            && self.outage.end()
        {
            tracing::info!("limits counted across instances again");
        }
    }
}

/// Returns the name in Redis.
fn name(limit: &str, key: LimitKey) -> String {
    format!("numeneon_limit:{limit}:{key}")
}
