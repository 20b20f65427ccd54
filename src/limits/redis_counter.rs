//! [`RedisCounter`] counts in Redis, so that a limit holds across instances.
//!
//! It is a help and never a reason to fail or to wait: a question that Redis does not
//! answer at once has no answer, and then each instance counts for itself.

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
use crate::telemetry::Metrics;

/// How long Redis may take to answer a question: a hundred times what it takes.
const ASK_LIMIT: Duration = Duration::from_millis(100);

/// How long making a connection may take; no request waits for it.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// After a failure, for how long nothing is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes one, as [`Gcra::take`] does, by Redis' own clock. A moment further ahead than a
/// pace can lead comes from a clock that was set back since, and is brought in.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
        local whole = tonumber(redis.call('GET', KEYS[1]) or now) or now
        whole = math.min(math.max(whole, now), now + tolerance + interval)
        local wait = whole - now - tolerance
        if wait > 0 then return wait end
        whole = whole + interval
        redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000))
        return 0",
    )
});

/// Gives one back, as [`Gcra::give_back`] does.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local whole = (tonumber(redis.call('GET', KEYS[1]) or now) or now) - tonumber(ARGV[1])
        if whole > now then
            redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000))
        else
            redis.call('DEL', KEYS[1])
        end
        return 0",
    )
});

/// What Redis says to one that is to be taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// It is.
    Taken,
    /// There is none; how long it takes until there is one.
    Refused(Duration),
}

/// One connection to Redis, through which all questions go at once.
pub(super) struct RedisCounter {
    client: Client,
    /// While held: no await, and no call out of this file.
    state: Mutex<State>,
    runtime: Handle,
    metrics: Metrics,
}

enum State {
    /// The connection with its number.
    Connected(u64, MultiplexedConnection),
    /// A task makes the connection with this number.
    Connecting(u64),
    /// Nothing is asked until then; the last connection's number.
    Away(u64, Instant),
}

impl RedisCounter {
    /// Connects, in a short time or later on.
    ///
    /// # Errors
    ///
    /// If the URL is none that the Redis client understands.
    pub(super) async fn start(
        url: &SecretString,
        runtime: Handle,
        metrics: Metrics,
    ) -> Result<Arc<Self>, BoxError> {
        let client = Client::open(url.expose_secret())?;
        let state = Mutex::new(State::Connecting(0));
        let this = Arc::new(Self { client, state, runtime, metrics });
        this.connect(0).await;
        Ok(this)
    }

    /// Takes one. No answer: Redis is away or slow.
    pub(super) async fn take(self: &Arc<Self>, limit: &str, key: LimitKey, pace: &Gcra) -> Option<Answer> {
        let mut take = TAKE.key(name(limit, key));
        take.arg(pace.interval_us).arg(pace.tolerance_us);
        let wait_us: u64 = self.ask(async |mut conn| take.invoke_async(&mut conn).await).await?;
        Some(if wait_us == 0 { Answer::Taken } else { Answer::Refused(Duration::from_micros(wait_us)) })
    }

    /// Gives one back, if Redis is there to hear it.
    pub(super) async fn give_back(self: &Arc<Self>, limit: &str, key: LimitKey, pace: &Gcra) {
        let mut give_back = GIVE_BACK.key(name(limit, key));
        give_back.arg(pace.interval_us);
        let _: Option<u64> = self.ask(async |mut conn| give_back.invoke_async(&mut conn).await).await;
    }

    /// Marks a key for a time.
    pub(super) async fn mark(self: &Arc<Self>, marks: &str, key: LimitKey, time: Duration) {
        let mut set = redis::cmd("SET");
        set.arg(name(marks, key)).arg(1).arg("EX").arg(time.as_secs());
        let _: Option<()> = self.ask(async |mut conn| set.query_async(&mut conn).await).await;
    }

    /// Returns whether a key is marked, as far as Redis is there to say so.
    pub(super) async fn is_marked(self: &Arc<Self>, marks: &str, key: LimitKey) -> bool {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(name(marks, key));
        self.ask(async |mut conn| exists.query_async(&mut conn).await).await.unwrap_or(false)
    }

    /// Asks a question, if there is a connection, and waits for [`ASK_LIMIT`] at most.
    async fn ask<T>(
        self: &Arc<Self>,
        question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let Some((number, conn)) = self.connection() else {
            self.metrics.limit_questions_failed.inc();
            return None;
        };
        let cause: BoxError = match timeout(ASK_LIMIT, question(conn)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.into(),
            Err(elapsed) => elapsed.into(),
        };
        self.metrics.limit_questions_failed.inc();
        self.failed(number, &cause);
        None
    }

    /// Returns the connection. If there is none, one is made behind the request's back.
    fn connection(self: &Arc<Self>) -> Option<(u64, MultiplexedConnection)> {
        let mut state = self.state.lock();
        match &*state {
            State::Connected(number, conn) => Some((*number, conn.clone())),
            State::Away(last, until) if Instant::now() >= *until => {
                let number = last + 1;
                *state = State::Connecting(number);
                let this = self.clone();
                self.runtime.spawn(async move { this.connect(number).await });
                None
            }
            State::Connecting(_) | State::Away(..) => None,
        }
    }

    async fn connect(&self, number: u64) {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_LIMIT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let cause: BoxError = match timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(conn)) => {
                *self.state.lock() = State::Connected(number, conn);
                return;
            }
            Ok(Err(error)) => error.into(),
            Err(elapsed) => elapsed.into(),
        };
        self.failed(number, &cause);
    }

    /// Gives up a connection; those made since stay.
    fn failed(&self, number: u64, cause: &BoxError) {
        let mut state = self.state.lock();
        if matches!(&*state, State::Connected(it, _) | State::Connecting(it) if *it == number) {
            *state = State::Away(number, Instant::now() + PAUSE);
            tracing::debug!(cause = %cause, "limits are each instance's own for now");
        }
    }
}

/// Returns the name in Redis.
fn name(limit: &str, key: LimitKey) -> String {
    format!("numeneon_limit:{limit}:{key}")
}
