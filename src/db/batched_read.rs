//! A [`BatchedRead`] looks up rows by key: lookups that wait at the same moment share one query.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use super::connection::AnyConnection;
use super::failure::Query;
use super::pool::Db;
use super::span::read_span;
use crate::batching::{Batcher, Bounds, Job, Size, Turn};
use crate::error::Result;

/// Queries at once. A second one would make both smaller, and each lookup cost more.
const QUERIES: usize = 1;

/// The most keys of one query: about a millisecond of PostgreSQL's time.
const KEYS: usize = 512;

/// The most bytes of keys that wait, 1 MiB: more than a second's worth. Further lookups fail.
const WAITING_BYTES: usize = 1 << 20;

/// Reads the rows of some keys; keys without a row are left out.
type ReadMany<K, V> = fn(&mut AnyConnection, &[K]) -> Query<Vec<(K, V)>>;

/// Looks up rows by key. Nothing is cached: each lookup reads the row after it began.
pub struct BatchedRead<K, V>(Batcher<K, Result<Option<V>>>);

impl<K, V> BatchedRead<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// Returns lookups by this query.
    pub fn new(db: &Db, query: ReadMany<K, V>) -> Self {
        let bounds =
            Bounds { batches: QUERIES, cost: KEYS, waiting_bytes: WAITING_BYTES, wait: db.wait_timeout() };
        let (db, runtime) = (db.clone(), db.runtime().clone());
        Self(Batcher::new(
            bounds,
            |_| Size { bytes: size_of::<K>(), cost: 1 },
            runtime,
            move |jobs, turn| read(db.clone(), query, jobs, turn),
        ))
    }

    /// Returns the row of a key, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn get(&self, key: K) -> Result<Option<V>> {
        read_span(async { self.0.submit(key).await.flatten() }).await
    }
}

async fn read<K, V>(db: Db, query: ReadMany<K, V>, jobs: Vec<Job<K, Result<Option<V>>>>, turn: Turn)
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    let (keys, responders): (Vec<_>, Vec<_>) = jobs.into_iter().map(Job::split).unzip();
    let responders = Arc::new(Mutex::new(responders));
    let waiting = responders.clone();
    let read = db.read_batch(turn.deadline(), move |conn| {
        let rows: HashMap<K, V> = query(conn, &keys)?.into_iter().collect();
        // Here, on the thread of the query: a task would be one more to be woken.
        for (key, responder) in keys.iter().zip(waiting.lock().drain(..)) {
            responder.respond(Ok(rows.get(key).cloned()));
        }
        Ok(())
    });
    if let Err(error) = read.await {
        for responder in responders.lock().drain(..) {
            responder.respond(Err(error.for_another()));
        }
    }
}
