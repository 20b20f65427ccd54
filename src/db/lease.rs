//! A [`Lease`] is a connection taken from the pool; the [`Connector`] opens the pool's
//! connections.

use deadpool::managed::{Manager, Metrics, Object, RecycleResult};
use tokio::runtime::Handle;

use super::connection::AnyConnection;
use crate::error::BoxError;
use crate::settings::Database;

/// A connection taken from the pool. Dropped with the connection still in it, as after a
/// panic within a transaction, it closes the connection.
pub(super) struct Lease(pub(super) Option<Object<Connector>>);

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// Opens connections off the reactor. They are not tested before each use: that would double
/// the cost of a small read, and [`Db`](super::Db) replaces dead ones anyway.
pub(super) struct Connector {
    pub(super) settings: Database,
    pub(super) runtime: Handle,
}

impl Manager for Connector {
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
