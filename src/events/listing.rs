//! A [`Listing`] is what a request returns of the facts that events announce, with the number of
//! the viewer's inbox at that moment: a client that applies the events after it has what a later
//! request would return.

use super::event::Seq;
use super::inbox;
use crate::db::{AnyConnection, Db, in_snapshot};
use crate::error::Result;
use crate::ids::UserId;

/// What was read, and where the viewer's inbox stood.
#[derive(Debug)]
pub struct Listing<T> {
    /// What was read.
    pub items: T,
    /// The last number of the viewer's inbox at the same moment: events up to it are in the items,
    /// later ones are not.
    pub seq: Seq,
}

impl<T: Send + 'static> Listing<T> {
    /// Reads items and the position of the viewer's inbox, both as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn read<F>(db: &Db, viewer: UserId, query: F) -> Result<Self>
    where
        F: Fn(&mut AnyConnection) -> Result<T> + Send + Sync + 'static,
    {
        let read = db.read(move |conn| {
            in_snapshot(conn, |conn| {
                let seq = inbox::position(conn, viewer)?.last_seq;
                Ok(Self { items: query(conn)?, seq })
            })
        });
        read.await
    }
}
