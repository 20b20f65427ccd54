//! The [`History`] is what this process knows of the history of its database: it opens
//! connections to the latest generation only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::watch;

use super::connection::AnyConnection;
use super::generation::{self, Verified};
use super::sqlite_file::{SqliteFile, SqlitePath};
use crate::error::BoxError;
use crate::settings::{Database, DatabaseUrl};
use crate::telemetry::Degradation;

/// The lift before the first connection.
const UNKNOWN: i64 = -1;

/// What this process knows of the history of its database.
pub(super) struct History {
    settings: Database,
    /// The highest lift that was found.
    lift: AtomicI64,
    /// The file, of SQLite.
    file: Option<Arc<SqlitePath>>,
    /// How many hosts are tried last, of those that come first in the URL.
    later: AtomicUsize,
    partial_mark: Degradation,
    /// Counts what makes it likely that sessions are behind their inboxes.
    recoveries: watch::Sender<u64>,
}

/// A connection to one generation of the database.
pub(super) struct Connection {
    pub(super) conn: AnyConnection,
    lift: i64,
    /// The file that it opened, of SQLite.
    pub(super) file: Option<SqliteFile>,
}

/// The database is not the one that it was.
#[derive(Debug, thiserror::Error)]
#[error("the database is an earlier state of the one before; if it was restored, run numeneon lift-numbers")]
struct EarlierGeneration;

impl History {
    /// Returns the history of a database to which nothing was connected yet.
    pub(super) fn new(settings: Database, recoveries: watch::Sender<u64>) -> Self {
        let file = match &settings.url {
            DatabaseUrl::Sqlite(path) => Some(Arc::new(SqlitePath::new(path.clone()))),
            DatabaseUrl::Postgres(_) => None,
        };
        let (lift, partial_mark) = (AtomicI64::new(UNKNOWN), Degradation::default());
        Self { settings, lift, file, later: AtomicUsize::new(0), partial_mark, recoveries }
    }

    /// Connects, and verifies the generation of the database. Blocks.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or is of an earlier generation than one that was found before: a
    /// server that has been replaced and does not know it.
    pub(super) fn open(&self) -> Result<Connection, BoxError> {
        let Some(path) = &self.file else { return self.open_any_host() };
        let ((conn, lift), file) = path.open(|file| self.open_verified(0, Some(file)))?;
        Ok(Connection { conn, lift, file: Some(file) })
    }

    /// Tries another host first if one is of an earlier generation: after a failover the old
    /// primary may accept writes again.
    fn open_any_host(&self) -> Result<Connection, BoxError> {
        let mut opened = Err("no host".into());
        for _ in 0..self.settings.url.hosts() {
            opened = self.open_verified(self.later.load(Ordering::Relaxed), None);
            match &opened {
                Err(error) if error.is::<EarlierGeneration>() => self.later.fetch_add(1, Ordering::Relaxed),
                _ => break,
            };
        }
        let (conn, lift) = opened?;
        Ok(Connection { conn, lift, file: None })
    }

    fn open_verified(
        &self,
        later: usize,
        file: Option<&SqliteFile>,
    ) -> Result<(AnyConnection, i64), BoxError> {
        let mut conn = AnyConnection::open(&self.settings, later)?;
        let verified = generation::verify(&mut conn, file)?;
        self.note(verified)?;
        Ok((conn, verified.lift))
    }

    /// Verifies the generation of a database to which a connection is open, as after a dump was
    /// restored under it. Blocks.
    ///
    /// # Errors
    ///
    /// As [`History::open`].
    pub(super) fn verify(&self, conn: &mut AnyConnection) -> Result<(), BoxError> {
        // A file is looked at whenever it is used.
        if self.file.is_some() {
            return Ok(());
        }
        self.note(generation::verify(conn, None)?)
    }

    /// Returns whether a connection is one to the latest generation.
    pub(super) fn is_present(&self, connection: &Connection) -> bool {
        connection.lift == self.lift.load(Ordering::Relaxed)
            && connection.file.as_ref().is_none_or(SqliteFile::is_current)
    }

    fn note(&self, Verified { lift, is_raised, is_partial }: Verified) -> Result<(), BoxError> {
        let before = self.lift.fetch_max(lift, Ordering::Relaxed);
        if is_raised {
            tracing::warn!(
                lift,
                "the database is another one than before, or was restored; the numbers of events are lifted"
            );
        }
        if is_partial && self.partial_mark.begin("partial") {
            tracing::warn!(
                "the system identifier or timeline of PostgreSQL cannot be read; \
                 after a restore or failover run numeneon lift-numbers"
            );
        }
        if lift < before {
            return Err(EarlierGeneration.into());
        }
        if before != UNKNOWN && lift > before {
            self.recoveries.send_modify(|count| *count += 1);
        }
        Ok(())
    }
}
