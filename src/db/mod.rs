//! The database keeps every fact: SQLite in a file on a laptop, PostgreSQL in a
//! cluster, by one path of code.
//!
//! [`Db::read`] and [`Db::transaction`] are the only ways to it. Both leave the
//! reactor, both wait a bounded time for one of a bounded number of connections,
//! and both answer within a bounded time whatever the database does.

mod connection;
mod failure;
mod migrations;
mod pool;
#[allow(missing_docs, reason = "generated")]
pub mod schema;
mod transaction;

pub use connection::AnyConnection;
pub(crate) use connection::MultiBackend;
pub use failure::{Query, violates_unique};
pub use migrations::{migrate, revert};
pub use pool::{Db, Load};
