//! The database stores every fact: SQLite in a file in standalone mode, PostgreSQL in
//! cluster mode, by one path of code.
//!
//! [`Db::read`] and [`Db::transaction`] are the only access to it, with [`BatchedRead`] and
//! [`Db::transaction_batch`] for what many requests share. All run off the reactor, wait a
//! bounded time for one of a bounded number of connections, and return within a bounded time
//! whatever the database does.

mod among;
mod batched_read;
mod clock;
mod connection;
mod failure;
mod generation;
mod history;
mod installation;
mod lease;
mod migrations;
mod outage;
mod pool;
mod pooler;
mod prepared;
#[allow(missing_docs, reason = "generated")]
pub mod schema;
mod span;
mod sqlite_file;
mod transaction;

pub use among::among;
pub use batched_read::BatchedRead;
pub use clock::{database_time_us, now};
pub(crate) use connection::MultiBackend;
pub use connection::{AnyConnection, LockWait};
pub use failure::{Query, violates_unique};
pub use generation::Lift;
pub use installation::{Installation, InvalidMark, installation};
pub use lease::Load;
pub use migrations::{migrate, revert};
pub use pool::Db;
pub(crate) use prepared::prepared_once;
pub use span::transaction_span;
pub use transaction::{End, in_snapshot};
