//! The meaning of a failed query: an outage, after which it can be repeated, or a fault of
//! the server.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// The result of a query. Commands recognise violated constraints by its error.
pub type Query<T> = Result<T, DieselError>;

/// Errors of an outage for which Diesel has no kind, by a part of their text.
const OUTAGES: &[&str] = &[
    "statement timeout",
    "lock timeout",
    "terminating connection",
    "the database system is",
    "server closed the connection",
    "could not connect",
    "connection to server",
    "database is locked",
    "too many clients",
    "remaining connection slots",
    "deadlock detected",
    "disk is full",
    "No space left on device",
    "read-only transaction",
];

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        if is_outage(&error) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

fn is_outage(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::UnableToSendCommand,
            _,
        ) => true,
        DieselError::DatabaseError(_, info) => OUTAGES.iter().any(|text| info.message().contains(text)),
        _ => false,
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
