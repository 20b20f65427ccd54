//! A [`AnyConnection`] is one connection to either database, ready for use.

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use secrecy::{ExposeSecret, SecretString};

use crate::error::BoxError;
use crate::settings::{Database, DatabaseUrl, PostgresUrl};

/// One connection to either database.
#[derive(diesel::MultiConnection)]
#[allow(missing_docs, reason = "the derive adds public items without comments")]
pub enum AnyConnection {
    /// To PostgreSQL.
    Postgres(PgConnection),
    /// To SQLite.
    Sqlite(SqliteConnection),
}

impl AnyConnection {
    /// Connects and sets the timeouts. Of several hosts the first `later` ones are tried last.
    /// Blocks for [`Database::connect_timeout`] at most, for each address of each host.
    pub(super) fn open(settings: &Database, later: usize) -> Result<Self, BoxError> {
        match &settings.url {
            DatabaseUrl::Postgres(url) => {
                let mut conn = PgConnection::establish(complete(url, settings, later).expose_secret())?;
                // What the role or the database sets must not weaken a commit: it is on disk, and
                // on the standbys that the server waits for, before a request gets its response.
                conn.batch_execute(&format!(
                    "SET statement_timeout = {}; SET lock_timeout = {}; \
                     SET idle_in_transaction_session_timeout = {}; SET timezone = 'UTC'; \
                     SET default_transaction_isolation = 'read committed'; \
                     SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') <> 'remote_apply'",
                    settings.statement_timeout.as_millis(),
                    settings.lock_timeout.as_millis(),
                    // A transaction is idle only while this process computes; one whose
                    // process is suspended must release its locks.
                    settings.statement_timeout.as_millis(),
                ))?;
                Ok(Self::Postgres(conn))
            }
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
                // The busy timeout first: the next pragma may already have to wait.
                // FULL syncs the write-ahead log at each commit, so that even a power
                // failure loses nothing that was acknowledged.
                conn.batch_execute(&format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; \
                     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
                    settings.lock_timeout.as_millis(),
                ))?;
                Ok(Self::Sqlite(conn))
            }
        }
    }

    /// Returns the statement that begins a transaction whose queries all see one moment.
    pub(super) const fn begin_snapshot(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Sqlite(_) => "BEGIN DEFERRED",
        }
    }

    /// Returns the statements that begin a transaction which writes. SQLite takes its write
    /// lock at once: a transaction that reads first and writes later fails there when
    /// another has written in between.
    pub(super) const fn begin(&self, lock_wait: LockWait) -> &'static str {
        match (self, lock_wait) {
            (Self::Postgres(_), LockWait::Full) => "BEGIN",
            (Self::Postgres(_), LockWait::Short) => "BEGIN; SET LOCAL lock_timeout = 100",
            (Self::Sqlite(_), _) => "BEGIN IMMEDIATE",
        }
    }
}

/// How long a statement of a transaction waits for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// For [`Database::lock_timeout`].
    Full,
    /// For 100 ms: longer than other transactions of the service hold one, but for announcements
    /// of much data to many, and short enough for those that share the transaction and need no
    /// such lock.
    Short,
}

/// Returns the URL with the timeouts that libpq and the kernel enforce. A call to libpq cannot be
/// cancelled, so the kernel must detect a server that vanished without closing its connections.
///
/// Of several hosts the one is taken that can be written to, the primary.
fn complete(url: &PostgresUrl, settings: &Database, later: usize) -> SecretString {
    let defaults = [
        ("connect_timeout", settings.connect_timeout.as_secs().to_string()),
        ("tcp_user_timeout", settings.statement_timeout.as_millis().to_string()),
        ("keepalives_idle", "10".into()),
        ("keepalives_interval", "5".into()),
        ("keepalives_count", "3".into()),
        ("target_session_attrs", "read-write".into()),
        ("application_name", "numeneon".into()),
    ];
    url.complete(&defaults, later)
}
