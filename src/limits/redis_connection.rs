//! The [`RedisConnection`] of the limits. No request fails or waits because of it: a query that
//! Redis does not respond to at once has no result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::time::{Instant as Deadline, timeout, timeout_at};

use crate::error::BoxError;
use crate::telemetry::{Degradation, Metrics};

/// How long Redis may take to respond to a query: a hundred times what it takes.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_millis(100);

/// How long connecting may take; no request waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// For how long after a failure no query is sent.
const PAUSE: Duration = Duration::from_millis(200);

/// How long every query must have succeeded until an outage counts as ended: a Redis that is full
/// stores something now and then, when a key expires.
const STEADY: Duration = Duration::from_secs(2);

/// What Redis says when it refuses a command and the connection is good: it is full, cannot write
/// to its disk, or an ACL forbids the command.
const REFUSALS: [&str; 3] = ["OOM", "MISCONF", "NOPERM"];

/// One connection to Redis, which carries all queries at the same time.
pub(super) struct RedisConnection {
    client: Client,
    /// While held: no await, and no call out of this file.
    state: Mutex<State>,
    /// Begins with a failed query or connection, and ends when queries have succeeded for
    /// [`STEADY`].
    outage: Degradation,
    /// The end of [`STEADY`] after the last failure. While held: no other lock is taken.
    steady_at: Mutex<Instant>,
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

impl RedisConnection {
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
        let this = Arc::new(Self {
            client,
            state,
            outage: Degradation::default(),
            steady_at: Mutex::new(Instant::now()),
            runtime,
            metrics,
        });
        this.connect(0).await;
        Ok(this)
    }

    /// Sends a query, if there is a connection, and waits for [`QUERY_TIMEOUT`] at most.
    pub(super) async fn query<T, F: Future<Output = RedisResult<T>>>(
        self: &Arc<Self>,
        query: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Option<T> {
        self.query_until(Deadline::now() + QUERY_TIMEOUT, query).await
    }

    /// Sends a query, if there is a connection, and waits until the deadline at most.
    pub(super) async fn query_until<T, F: Future<Output = RedisResult<T>>>(
        self: &Arc<Self>,
        deadline: Deadline,
        query: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Option<T> {
        let Some((number, conn)) = self.connection() else {
            self.metrics.limit_questions_failed.inc();
            return None;
        };
        let cause: BoxError = match timeout_at(deadline, query(conn)).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) if error.code().is_some_and(|code| REFUSALS.contains(&code)) => {
                self.refused(&error.to_string());
                return None;
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
        self.log(&cause.to_string());
    }

    /// Records that Redis counted nothing, for this reason. The connection is kept, unless it leads
    /// to a replica.
    pub(super) fn refused(&self, cause: &str) {
        self.metrics.limit_questions_failed.inc();
        if cause.starts_with("READONLY") {
            let mut state = self.state.lock();
            if let State::Connected(number, _) = &*state {
                *state = State::Disconnected(*number, Instant::now() + PAUSE);
            }
        }
        self.log(cause);
    }

    fn log(&self, cause: &str) {
        *self.steady_at.lock() = Instant::now() + STEADY;
        if self.outage.begin(cause) {
            tracing::warn!(cause, "limits counted per instance: Redis unavailable");
        } else {
            tracing::debug!(cause, "counting limits in Redis failed again");
        }
    }

    /// Records that Redis has counted: that may end an outage, unless another query has just
    /// dropped the connection.
    pub(super) fn succeeded(&self) {
        if self.outage.is_present()
            && *self.steady_at.lock() <= Instant::now()
            && matches!(&*self.state.lock(), State::Connected(..))
            && self.outage.end()
        {
            tracing::info!("limits counted across instances again");
        }
    }
}
