//! [`Db`] lends connections to blocking work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Metrics, Object, Pool, PoolError, RecycleResult, TimeoutType, Timeouts};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::AnyConnection;
use super::transaction::{Attempt, DEAD_WITHIN, Fate, Verdict, in_transaction, keep_if_alive};
use crate::error::{BoxError, Error, Result};
use crate::settings::{Database, DatabaseUrl};
use crate::telemetry::Span;

/// What a call may take beyond the statement's own limit, which the server keeps: for
/// the way there and back.
const GRACE: Duration = Duration::from_millis(500);

/// A cheap handle on the database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Connector>,
    /// SQLite has one writer. Waiting for it here, in order and without a thread,
    /// is fairer than SQLite's own polling. PostgreSQL needs no such turn.
    writer: Option<Arc<Semaphore>>,
    /// Half of the connections, which is as many as reads in the background may use.
    background: Arc<Semaphore>,
    runtime: Handle,
    /// How long a whole call may take once it has a connection.
    limit: Duration,
    wait: Duration,
    outage: Arc<Outage>,
}

/// How much of the pool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Connections that calls have.
    pub in_use: usize,
    /// Connections that are open.
    pub open: usize,
    /// Connections at most.
    pub limit: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

/// Whether the database failed lately, and how often it has come back.
struct Outage {
    now: AtomicBool,
    recoveries: watch::Sender<u64>,
}

impl Db {
    /// Makes a pool; connections are opened when they are needed.
    ///
    /// Blocking work runs on `runtime`, which must outlive every call.
    ///
    /// # Errors
    ///
    /// If the pool's settings do not fit together.
    pub fn new(settings: &Database, runtime: Handle) -> std::result::Result<Self, BoxError> {
        let pool = Pool::builder(Connector { settings: settings.clone(), runtime: runtime.clone() })
            .max_size(settings.pool_size)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(settings.wait),
                // libpq counts whole seconds; it gives up first, and frees its thread.
                create: Some(settings.connect_timeout + Duration::from_secs(1)),
                recycle: None,
            })
            .build()?;
        Ok(Self {
            pool,
            writer: matches!(settings.url, DatabaseUrl::Sqlite(_)).then(|| Arc::new(Semaphore::new(1))),
            background: Arc::new(Semaphore::new(settings.pool_size.div_ceil(2))),
            runtime,
            limit: settings.statement_timeout + GRACE,
            wait: settings.wait,
            outage: Arc::new(Outage { now: AtomicBool::new(false), recoveries: watch::Sender::new(0) }),
        })
    }

    /// Runs a query off the reactor, and once more on a new connection if the first
    /// one turns out to be dead, as all are after the database was restarted.
    ///
    /// # Errors
    ///
    /// The query's own, or [`Error::Unavailable`] when no connection is free in
    /// time, none can be opened, or the database does not answer in time.
    pub async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        let query = Arc::new(query);
        let (first, started) = (query.clone(), Instant::now());
        let answer = self.on_connection(None, move |conn| keep_if_alive(first(conn))).await;
        if !matches!(answer, Err(Error::Unavailable(_))) || started.elapsed() > DEAD_WITHIN {
            return answer;
        }
        self.close_idle();
        self.on_connection(None, move |conn| keep_if_alive(query(conn))).await
    }

    /// As [`Db::read`], for what nobody's request waits for: at most half of the
    /// connections are used for it at a time, and it waits for them as long as it takes.
    /// Thousands of feeds that catch up at once leave the other half to requests.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn read_in_background<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        let _turn = self.background.acquire().await.map_err(Error::internal)?;
        self.read(query).await
    }

    /// Runs `act` in one transaction off the reactor: committed if it answers `Ok`,
    /// else rolled back. It runs once at most. What came of it is given to `then`,
    /// on the same thread and also when the caller has stopped waiting.
    ///
    /// An act must not answer `Ok` after a statement of it has failed: PostgreSQL takes
    /// such a transaction back at its COMMIT, without a word.
    ///
    /// # Errors
    ///
    /// As [`Db::read`]. When `then` is given [`Error::Unavailable`], the transaction
    /// may have been committed all the same, if the connection was lost, or the database
    /// stopped answering, in the moment of its COMMIT.
    pub async fn transaction<T, U, F, G>(&self, act: F, then: G) -> Result<U>
    where
        T: 'static,
        U: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
        G: FnOnce(Result<T>) -> Result<U> + Send + 'static,
    {
        let attempt = |(act, then)| {
            let verdict = Arc::new(Verdict::default());
            let of_thread = verdict.clone();
            self.on_connection(Some(verdict), move |conn| in_transaction(conn, &of_thread, act, then))
        };
        match attempt((act, then)).await? {
            Attempt::Ended(answer) => Ok(answer),
            Attempt::NotBegun(act, then) => {
                self.close_idle();
                match attempt((act, then)).await? {
                    Attempt::Ended(answer) => Ok(answer),
                    Attempt::NotBegun(..) => Err(Error::unavailable("no transaction can begin")),
                }
            }
        }
    }

    /// Counts the returns of the database after it failed. The receiver sees each
    /// new value when a call has succeeded again.
    pub fn recoveries(&self) -> watch::Receiver<u64> {
        self.outage.recoveries.subscribe()
    }

    /// Returns how much of the pool is used at present.
    pub fn load(&self) -> Load {
        let status = self.pool.status();
        Load {
            in_use: status.size.saturating_sub(status.available),
            open: status.size,
            limit: status.max_size,
            waiting: status.waiting,
        }
    }

    /// Returns whether the last call found the database there.
    pub fn is_up(&self) -> bool {
        !self.outage.now.load(Ordering::Relaxed)
    }

    /// Closes the idle connections: one that is dead tells that they are dead too.
    fn close_idle(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        // Closing speaks to the server, or writes to the disk.
        drop(self.runtime.spawn_blocking(move || drop(idle)));
    }

    /// Runs work on a connection; a transaction comes with the verdict on it.
    async fn on_connection<T, F>(&self, verdict: Option<Arc<Verdict>>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> (Result<T>, Fate) + Send + 'static,
    {
        let mut span = Span::step(if verdict.is_some() { "database transaction" } else { "database read" });
        let answer = self.on_lease(verdict, work).await;
        span.note(&answer);
        answer
    }

    async fn on_lease<T, F>(&self, verdict: Option<Arc<Verdict>>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> (Result<T>, Fate) + Send + 'static,
    {
        let turn = match &self.writer {
            Some(writer) if verdict.is_some() => {
                match timeout(self.wait, writer.clone().acquire_owned()).await {
                    Ok(turn) => Some(turn.map_err(Error::internal)?),
                    Err(_) => return Err(Error::unavailable("no turn to write in time")),
                }
            }
            _ => None,
        };
        let mut lease = match self.pool.get().await {
            Ok(object) => Lease(Some(object)),
            // All are in use: the service has too much to do, the database is well.
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                return Err(Error::unavailable("no database connection is free in time"));
            }
            Err(error) => return self.note(Err(no_connection(error))),
        };
        let blocking = self.runtime.spawn_blocking(move || {
            let Some(conn) = lease.0.as_mut() else { return Err(Error::internal("an empty lease")) };
            let (answer, fate) = work(conn);
            if fate == Fate::Keep {
                drop(lease.0.take());
            }
            drop(turn);
            answer
        });
        self.note(match timeout(self.limit, blocking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(Error::internal(panic)),
            // The thread stays with its connection until libpq gives up, so there
            // are never more such threads than connections.
            Err(_) => {
                if let Some(verdict) = verdict {
                    verdict.give_up();
                }
                Err(Error::unavailable("the database does not answer in time"))
            }
        })
    }

    fn note<T>(&self, answer: Result<T>) -> Result<T> {
        if matches!(answer, Err(Error::Unavailable(_))) {
            self.outage.now.store(true, Ordering::Relaxed);
        } else if self.outage.now.swap(false, Ordering::Relaxed) {
            self.outage.recoveries.send_modify(|count| *count += 1);
        }
        answer
    }
}

fn no_connection(error: PoolError<BoxError>) -> Error {
    match error {
        PoolError::Backend(cause) => Error::Unavailable(cause),
        other => Error::unavailable(format!("no database connection: {other}")),
    }
}

/// A connection on loan. Dropped with the connection still in it, as after a panic
/// in the midst of a transaction, it closes the connection.
struct Lease(Option<Object<Connector>>);

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// Opens connections off the reactor. They are not tried before each loan: that
/// would double the cost of a small read, and [`Db`] replaces dead ones anyhow.
struct Connector {
    settings: Database,
    runtime: Handle,
}

impl deadpool::managed::Manager for Connector {
    type Type = AnyConnection;
    type Error = BoxError;

    async fn create(&self) -> std::result::Result<AnyConnection, BoxError> {
        let settings = self.settings.clone();
        self.runtime.spawn_blocking(move || AnyConnection::open(&settings)).await?
    }

    async fn recycle(&self, _: &mut AnyConnection, _: &Metrics) -> RecycleResult<BoxError> {
        Ok(())
    }
}
