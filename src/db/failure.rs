//! The meaning of a failed query: a conflict with another transaction, an outage, after which
//! it can be repeated, or a fault of the server.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// The result of a query. Commands recognise violated constraints by its error.
pub type Query<T> = Result<T, DieselError>;

/// Errors of an outage for which Diesel has no kind, by a part of their text.
const OUTAGES: &[&str] = &[
    "statement timeout",
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
