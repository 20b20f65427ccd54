//! A [`Lease`] is a connection taken from the pool; the [`Connector`] opens the pool's
//! connections.

use std::sync::Arc;

use deadpool::managed::{Manager, Metrics, Object, RecycleResult};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::history::{Connection, History};
use crate::error::BoxError;

/// How much of the pool is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Connections that calls use.
    pub in_use: usize,
    /// Connections that are open.
    pub open: usize,
    /// The most connections.
    pub limit: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
}

/// What the pool holds: a connection, unless a lease has it.
pub(super) struct Slot(Option<Connection>);

/// Where a connection goes after its use.
enum Place {
    /// Back to the pool.
    Pool(Object<Connector>),
    /// Nowhere: the pool may open another one instead. One of the permits for such connections
    /// lasts as long as this one does.
    Nowhere(#[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>),
}

/// A connection taken from the pool. Dropped, as after a panic within a transaction, it closes the
/// connection.
pub(super) struct Lease {
    connection: Option<Connection>,
    place: Arc<Mutex<Place>>,
}

/// The place of a lease in the pool, as whoever waits for its end holds it.
pub(super) struct LeasePlace(Arc<Mutex<Place>>);

impl Lease {
    /// Takes the connection of a slot.
    pub(super) fn new(mut slot: Object<Connector>) -> (Self, LeasePlace) {
        let connection = slot.0.take();
        let place = Arc::new(Mutex::new(Place::Pool(slot)));
        (Self { connection, place: place.clone() }, LeasePlace(place))
    }

    /// Returns the connection.
    pub(super) const fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Returns the connection to the pool, if its place is still there.
    pub(super) fn give_back(mut self) {
        let connection = self.connection.take();
        if let Place::Pool(slot) = &mut *self.place.lock() {
            slot.0 = connection;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let place = std::mem::replace(&mut *self.place.lock(), Place::Nowhere(None));
        let Place::Pool(slot) = place else { return };
        // A slot without its connection leaves the pool; the connection itself is closed
        // afterwards.
        if slot.0.is_none() {
            drop(Object::take(slot));
        }
    }
}

impl LeasePlace {
    /// Gives the place of a call that hangs to others, as long as there are permits for such
    /// calls.
    pub(super) fn vacate(self, permits: &Arc<Semaphore>) {
        let Ok(permit) = permits.clone().try_acquire_owned() else { return };
        let mut place = self.0.lock();
        if let Place::Pool(_) = *place
            && let Place::Pool(slot) = std::mem::replace(&mut *place, Place::Nowhere(Some(permit)))
        {
            drop(Object::take(slot));
        }
    }
}

/// Opens connections off the reactor. They are not tested before each use: that would double
/// the cost of a small read, and [`Db`](super::Db) replaces dead ones anyway.
pub(super) struct Connector {
    pub(super) history: Arc<History>,
    pub(super) runtime: Handle,
}

impl Manager for Connector {
    type Type = Slot;
    type Error = BoxError;

    async fn create(&self) -> std::result::Result<Slot, BoxError> {
        let history = self.history.clone();
        let opened = self.runtime.spawn_blocking(move || history.open()).await??;
        Ok(Slot(Some(opened)))
    }

    async fn recycle(&self, slot: &mut Slot, _: &Metrics) -> RecycleResult<BoxError> {
        match &slot.0 {
            Some(connection) if self.history.is_present(connection) => Ok(()),
            _ => Err(BoxError::from("a connection to an earlier history of the database").into()),
        }
    }
}
