//! The meaning of a failed query: a conflict with another transaction, an outage, after which
//! it can be repeated, or a fault of the server.

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::{BoxError, Error};

/// The result of a query. Commands recognise violated constraints by its error.
pub type Query<T> = Result<T, DieselError>;

/// What PostgreSQL says of a statement that it stopped in time.
const STATEMENT_TIMEOUT: &str = "statement timeout";

/// Errors of an outage for which Diesel has no kind, by a part of their text.
const OUTAGES: &[&str] = &[
    STATEMENT_TIMEOUT,
    "terminating connection",
    "the database system is",
    "server closed the connection",
    "could not connect",
    "connection to server",
    "too many clients",
    "remaining connection slots",
    "disk is full",
    "No space left on device",
    "read-only transaction",
];

/// What the databases say of a lock that another transaction did not release in time.
const LOCKED: &[&str] = &["lock timeout", "database is locked"];

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else { return Self::internal(error) };
        let says = |texts: &[&str]| texts.iter().any(|text| info.message().contains(text));
        match kind {
            DatabaseErrorKind::SerializationFailure => Self::Conflict,
            _ if says(&["deadlock detected"]) => Self::Conflict,
            _ if says(LOCKED) => Self::Locked(error.into()),
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::UnableToSendCommand => Self::unavailable(error),
            _ if says(OUTAGES) => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

/// Returns whether the database itself stopped a statement that took too long.
pub(super) fn is_statement_timeout(cause: &BoxError) -> bool {
    message(cause).is_some_and(|text| text.contains(STATEMENT_TIMEOUT))
}

/// Returns whether a connection was lost or could not be opened. A response that is late shows
/// neither.
pub(super) fn is_connection_lost(cause: &BoxError) -> bool {
    message(cause).is_some_and(|text| !text.contains(STATEMENT_TIMEOUT)) || cause.is::<ConnectionError>()
}

/// Returns the loss of a connection as Diesel reports it.
pub(super) fn connection_lost(text: &str) -> BoxError {
    DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(text.to_owned())).into()
}

fn message(cause: &BoxError) -> Option<&str> {
    match cause.downcast_ref::<DieselError>()? {
        DieselError::DatabaseError(_, info) => Some(info.message()),
        _ => None,
    }
}

/// Returns whether a unique constraint on this column rejected the row.
///
/// PostgreSQL names the constraint, `users_username_key`; SQLite names the column
/// in its text, `UNIQUE constraint failed: users.username`.
pub fn violates_unique(error: &DieselError, table: &str, column: &str) -> bool {
    let DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) = error else {
        return false;
    };
    match info.constraint_name() {
        Some(name) => name == format!("{table}_{column}_key"),
        None => info.message().contains(&format!("{table}.{column}")),
    }
}
