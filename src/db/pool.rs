//! [`Db`] lends connections to blocking work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Metrics, Object, Pool, PoolError, RecycleResult, Timeouts};
use diesel::connection::SimpleConnection;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::AnyConnection;
use crate::error::{Cause, Error, Result};
use crate::settings::{Database, DatabaseUrl};

/// A call that fails sooner than this met a dead connection, not a slow server.
const DEAD_WITHIN: Duration = Duration::from_millis(500);

/// What a call may take beyond the statement's own limit, which the server keeps.
const GRACE: Duration = Duration::from_millis(500);

/// A cheap handle on the database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Connector>,
    /// SQLite has one writer. Waiting for it here, in order and without a thread,
    /// is fairer than SQLite's own polling. PostgreSQL needs no such turn.
    writer: Option<Arc<Semaphore>>,
    runtime: Handle,
    /// How long a whole call may take once it has a connection.
    limit: Duration,
    wait: Duration,
    outage: Arc<Outage>,
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
    pub fn new(settings: &Database, runtime: Handle) -> std::result::Result<Self, Cause> {
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
        let mut answer = self.on_connection(false, move |conn| keep_if_alive(first(conn))).await;
        // A connection that is dead fails at once; a server that is slow must not be
        // asked twice.
        if matches!(answer, Err(Error::Unavailable(_))) && started.elapsed() < DEAD_WITHIN {
            // One dead connection tells that the idle ones are dead too.
            self.pool.retain(|_, _| false);
            answer = self.on_connection(false, move |conn| keep_if_alive(query(conn))).await;
        }
        self.note(answer)
    }

    /// Runs `act` in one transaction off the reactor: committed if it answers `Ok`,
    /// else rolled back. It runs once at most. What came of it is given to `then`,
    /// on the same thread and also when the caller has stopped waiting.
    ///
    /// # Errors
    ///
    /// As [`Db::read`]. When `then` is given [`Error::Unavailable`], the transaction
    /// may have been committed all the same, if the connection was lost just then.
    pub async fn transaction<T, U, F, G>(&self, act: F, then: G) -> Result<U>
    where
        T: 'static,
        U: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
        G: FnOnce(Result<T>) -> Result<U> + Send + 'static,
    {
        let attempt = |(act, then)| self.on_connection(true, |conn| in_transaction(conn, act, then));
        let answer = match attempt((act, then)).await {
            Ok(Attempt::Ended(answer)) => Ok(answer),
            Ok(Attempt::NotBegun(act, then)) => {
                self.pool.retain(|_, _| false);
                match attempt((act, then)).await {
                    Ok(Attempt::Ended(answer)) => Ok(answer),
                    Ok(Attempt::NotBegun(..)) => Err(Error::unavailable("no transaction can begin")),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        self.note(answer)
    }

    /// Counts the returns of the database after it failed. The receiver sees each
    /// new value when a call has succeeded again.
    pub fn recoveries(&self) -> watch::Receiver<u64> {
        self.outage.recoveries.subscribe()
    }

    /// Returns the connections in use and those allowed.
    pub fn load(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size.saturating_sub(status.available), status.max_size)
    }

    async fn on_connection<T, F>(&self, writes: bool, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> (Result<T>, Fate) + Send + 'static,
    {
        let turn = match &self.writer {
            Some(writer) if writes => match timeout(self.wait, writer.clone().acquire_owned()).await {
                Ok(turn) => Some(turn.map_err(Error::internal)?),
                Err(_) => return Err(Error::unavailable("no turn to write in time")),
            },
            _ => None,
        };
        let mut lease = Lease(Some(self.pool.get().await.map_err(no_connection)?));
        let blocking = self.runtime.spawn_blocking(move || {
            let Some(conn) = lease.0.as_mut() else { return Err(Error::internal("an empty lease")) };
            let (answer, fate) = work(conn);
            if fate == Fate::Keep {
                drop(lease.0.take());
            }
            drop(turn);
            answer
        });
        match timeout(self.limit, blocking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(Error::internal(panic)),
            // The thread stays with its connection until libpq gives up, so there
            // are never more such threads than connections.
            Err(_) => Err(Error::unavailable("the database does not answer in time")),
        }
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

/// What becomes of a connection after its use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Close,
}

/// What one attempt at a transaction came to.
enum Attempt<U, F, G> {
    Ended(U),
    /// The connection was dead before anything was done: the work is given back.
    NotBegun(F, G),
}

/// After an outage a connection may be dead or in the middle of something.
fn keep_if_alive<T>(answer: Result<T>) -> (Result<T>, Fate) {
    let fate = if matches!(answer, Err(Error::Unavailable(_))) { Fate::Close } else { Fate::Keep };
    (answer, fate)
}

fn in_transaction<T, U, F, G>(conn: &mut AnyConnection, act: F, then: G) -> (Result<Attempt<U, F, G>>, Fate)
where
    F: FnOnce(&mut AnyConnection) -> Result<T>,
    G: FnOnce(Result<T>) -> Result<U>,
{
    if conn.batch_execute(conn.begin()).is_err() {
        return (Ok(Attempt::NotBegun(act, then)), Fate::Close);
    }
    let acted = act(conn);
    let end = if acted.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let (answer, fate) = match (conn.batch_execute(end), acted) {
        (Ok(()), acted) => keep_if_alive(acted),
        (Err(error), Ok(_)) => (Err(error.into()), Fate::Close),
        (Err(_), Err(error)) => (Err(error), Fate::Close),
    };
    (then(answer).map(Attempt::Ended), fate)
}

fn no_connection(error: PoolError<Cause>) -> Error {
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
    type Error = Cause;

    async fn create(&self) -> std::result::Result<AnyConnection, Cause> {
        let settings = self.settings.clone();
        self.runtime.spawn_blocking(move || AnyConnection::open(&settings)).await?
    }

    async fn recycle(&self, _: &mut AnyConnection, _: &Metrics) -> RecycleResult<Cause> {
        Ok(())
    }
}
