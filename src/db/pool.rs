//! A [`Db`] runs blocking work on pooled connections, off the reactor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Pool, PoolError, TimeoutType, Timeouts};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant as Deadline, timeout, timeout_at};

use super::connection::{AnyConnection, LockWait};
use super::failure::connection_lost;
use super::generation;
use super::history::{Connection, History};
use super::lease::{Connector, Lease, Load};
use super::outage::Outage;
use super::span::{read_span, transaction_span};
use super::transaction::{Attempt, CommitGate, DEAD_WITHIN, Disposal, End, in_transaction, keep_if_alive};
use crate::error::{BoxError, Error, Result};
use crate::settings::{Database, DatabaseUrl};

/// What a call may take beyond the statement timeout, which the server enforces: the round
/// trip.
const ROUND_TRIP: Duration = Duration::from_millis(500);

/// A cheap handle to the database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Connector>,
    /// SQLite has one writer. Waiting for it here, in order and without a thread, is fairer
    /// than SQLite's own polling. PostgreSQL has no need of it.
    writer: Option<Arc<Semaphore>>,
    /// Half of the connections, which is as many as reads in the background may use.
    background: Arc<Semaphore>,
    runtime: Handle,
    /// How long a call may take once it has a connection.
    call_timeout: Duration,
    /// How long a call may wait for a connection, or to be the writer.
    wait_timeout: Duration,
    outage: Arc<Outage>,
    history: Arc<History>,
    /// As many calls as may hang beside those that hold a connection of the pool.
    hanging: Arc<Semaphore>,
}

impl Db {
    /// Returns an empty pool; connections are opened when they are needed.
    ///
    /// Blocking work runs on `runtime`, which must outlive every call.
    ///
    /// # Errors
    ///
    /// If the settings of the pool contradict each other.
    pub fn new(settings: &Database, runtime: Handle) -> std::result::Result<Self, BoxError> {
        let outage = Arc::<Outage>::default();
        let history = Arc::new(History::new(settings.clone(), outage.recoveries().clone()));
        let pool = Pool::builder(Connector { history: history.clone(), runtime: runtime.clone() })
            .max_size(settings.pool_size)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(Timeouts {
                // Each call has a deadline of its own.
                wait: None,
                // libpq counts whole seconds; it times out first, and frees its thread.
                create: Some(settings.connect_timeout * settings.url.hosts() + Duration::from_secs(1)),
                recycle: None,
            })
            .build()?;
        Ok(Self {
            pool,
            writer: matches!(settings.url, DatabaseUrl::Sqlite(_)).then(|| Arc::new(Semaphore::new(1))),
            background: Arc::new(Semaphore::new(settings.pool_size.div_ceil(2))),
            runtime,
            call_timeout: settings.statement_timeout + ROUND_TRIP,
            wait_timeout: settings.wait_timeout,
            outage,
            history,
            hanging: Arc::new(Semaphore::new(settings.pool_size)),
        })
    }

    /// Runs a query off the reactor, and once more on a new connection if the first
    /// one turns out to be dead, as all are after the database was restarted.
    ///
    /// # Errors
    ///
    /// The query's own, or [`Error::Unavailable`] when no connection is free in
    /// time, none can be opened, or the database does not respond in time.
    pub async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        read_span(self.read_batch(self.wait_deadline(), query)).await
    }

    /// Runs a query as [`Db::read`] does, for requests that have a span each. It waits for a
    /// connection until the deadline.
    pub(super) async fn read_batch<T, F>(&self, deadline: Deadline, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        let query = Arc::new(query);
        let (first, started) = (query.clone(), Instant::now());
        let result = self.on_lease(deadline, None, move |on| keep_if_alive(first(&mut on.conn))).await;
        if !matches!(result, Err(Error::Unavailable(_))) || started.elapsed() > DEAD_WITHIN {
            return result;
        }
        self.close_idle();
        self.on_lease(deadline, None, move |on| keep_if_alive(query(&mut on.conn))).await
    }

    /// Runs a query as [`Db::read`] does, for work on which no request waits: at most half
    /// of the connections are used for it at a time, and it waits for them without a
    /// timeout. Thousands of feeds that catch up at once leave the other half to requests.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn read_in_background<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        let _permit = self.background.acquire().await.map_err(Error::internal)?;
        self.read(query).await
    }

    /// Runs `act` in one transaction off the reactor: committed if it returns `Ok`,
    /// else rolled back. It runs once at most. The outcome is given to `then`, on the same
    /// thread and also when the caller has stopped waiting.
    ///
    /// `act` must not return `Ok` after one of its statements has failed: PostgreSQL rolls
    /// such a transaction back at its COMMIT, without an error.
    ///
    /// # Errors
    ///
    /// As [`Db::read`]. After [`Error::Unavailable`] the transaction may have been committed all the
    /// same, if the connection was lost or the database stopped responding during its COMMIT;
    /// `then` is given which of them it was.
    pub async fn transaction<T, U, F, G>(&self, act: F, then: G) -> Result<U>
    where
        T: 'static,
        U: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
        G: FnOnce(End<T>) -> Result<U> + Send + 'static,
    {
        transaction_span(self.transaction_batch(self.wait_deadline(), LockWait::Full, act, then)).await
    }

    /// Runs `act` as [`Db::transaction`] does, for requests that have a span each. It waits for a
    /// connection until the deadline, and its statements for a lock as long as given.
    ///
    /// # Errors
    ///
    /// As [`Db::transaction`].
    pub async fn transaction_batch<T, U, F, G>(
        &self,
        deadline: Deadline,
        lock_wait: LockWait,
        act: F,
        then: G,
    ) -> Result<U>
    where
        T: 'static,
        U: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
        G: FnOnce(End<T>) -> Result<U> + Send + 'static,
    {
        let attempt = |(act, then)| {
            let gate = Arc::new(CommitGate::default());
            let of_thread = gate.clone();
            self.on_lease(deadline, Some(gate), move |on| {
                in_transaction(on, lock_wait, &of_thread, act, then)
            })
        };
        match attempt((act, then)).await? {
            Attempt::Ended(value) => Ok(value),
            Attempt::NotBegun(act, then) => {
                self.close_idle();
                match attempt((act, then)).await? {
                    Attempt::Ended(value) => Ok(value),
                    Attempt::NotBegun(..) => {
                        Err(Error::Unavailable(connection_lost("cannot begin a transaction")))
                    }
                }
            }
        }
    }

    /// Verifies that the database is still of the latest generation, and
    /// raises the lift if it was restored under open connections.
    ///
    /// # Errors
    ///
    /// As [`Db::read`]; [`Error::Unavailable`] if the database is of an earlier generation.
    pub async fn verify_generation(&self) -> Result<()> {
        let history = self.history.clone();
        self.read(move |conn| history.verify(conn).map_err(Error::Unavailable)).await
    }

    /// Raises the [`Lift`](super::Lift): from now on every number is far above all earlier ones.
    /// Returns the new one.
    ///
    /// # Errors
    ///
    /// As [`Db::transaction`].
    pub async fn raise_lift(&self) -> Result<i64> {
        self.transaction(|conn| Ok(generation::raise_lift(conn)?), End::into_result).await
    }

    /// Counts the recoveries of the database from outages in which a connection was lost. The value
    /// is raised when a call succeeds again, and when the numbers of events are lifted.
    pub fn recoveries(&self) -> watch::Receiver<u64> {
        self.outage.recoveries().subscribe()
    }

    /// Returns how long a call waits for a connection at most.
    pub const fn wait_timeout(&self) -> Duration {
        self.wait_timeout
    }

    /// Returns until when a call that begins now waits for a connection.
    pub fn wait_deadline(&self) -> Deadline {
        Deadline::now() + self.wait_timeout
    }

    /// Returns the runtime of its blocking work.
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
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

    /// Returns whether the last call found the database available.
    pub fn is_up(&self) -> bool {
        !self.outage.is_present()
    }

    /// Closes the idle connections: if one is dead, the others most likely are too.
    fn close_idle(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        // Closing blocks: it writes to the server or to the disk.
        drop(self.runtime.spawn_blocking(move || drop(idle)));
    }

    /// Runs work on a connection. A transaction has a gate.
    async fn on_lease<T, F>(&self, deadline: Deadline, gate: Option<Arc<CommitGate>>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> (Result<T>, Disposal) + Send + 'static,
    {
        let writer = match &self.writer {
            Some(writer) if gate.is_some() => {
                match timeout_at(deadline, writer.clone().acquire_owned()).await {
                    Ok(permit) => Some(permit.map_err(Error::internal)?),
                    Err(_) => return Err(Error::unavailable("write lock not available in time")),
                }
            }
            _ => None,
        };
        let wait = Some(deadline.saturating_duration_since(Deadline::now()));
        let (mut lease, place) = match self.pool.timeout_get(&Timeouts { wait, ..self.pool.timeouts() }).await
        {
            Ok(slot) => Lease::new(slot),
            // All are in use: the service is overloaded, and the database is available.
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                return Err(Error::unavailable("no database connection available in time"));
            }
            Err(error) => return self.outage.record(Err(no_connection(error))),
        };
        let blocking = self.runtime.spawn_blocking(move || {
            let Some(connection) = lease.connection() else { return Err(Error::internal("an empty lease")) };
            let (result, disposal) = work(connection);
            if disposal == Disposal::Keep {
                lease.give_back();
            }
            drop(writer);
            result
        });
        self.outage.record(match timeout(self.call_timeout, blocking).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Error::internal(panic)),
            // The thread keeps its connection until libpq gives up, which it does not as long as
            // the server's kernel acknowledges what it sent. Its place goes to others, who may
            // reach another server; beyond as many as there are connections it keeps that too.
            Err(_) => {
                if let Some(gate) = gate {
                    gate.abandon();
                }
                place.vacate(&self.hanging);
                self.close_idle();
                Err(Error::unavailable("no response from the database in time"))
            }
        })
    }
}

fn no_connection(error: PoolError<BoxError>) -> Error {
    match error {
        PoolError::Backend(cause) => Error::Unavailable(cause),
        other => Error::unavailable(format!("no database connection: {other}")),
    }
}
