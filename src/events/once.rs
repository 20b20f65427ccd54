//! [`Events::commit_once`] commits a command that a client may repeat.

use std::sync::Arc;

use serde::Serialize;

use super::commit::Events;
use super::unit_of_work::UnitOfWork;
use crate::error::Result;
use crate::idempotency::{self, NewKey, Once, RequestKey};

impl Events {
    /// Commits a command as [`Events::commit_retrying`] does, unless a request with its key was
    /// committed before: then it returns what that one returned.
    ///
    /// # Errors
    ///
    /// As [`Events::commit_retrying`]; [`Kind::KeyReused`](crate::error::Kind::KeyReused) if the key
    /// came with another request before.
    pub async fn commit_once<T, F>(&self, key: Option<RequestKey>, command: F) -> Result<Once>
    where
        T: Serialize,
        F: Fn(&mut UnitOfWork<'_>) -> Result<T> + Send + Sync + 'static,
    {
        let key = key.map(Arc::new);
        self.commit_retrying(move |unit| {
            let Some(key) = &key else { return Once::done(&command(unit)?) };
            // Before the command: a concurrent transaction with the same key waits here.
            let mut new = [NewKey { place: 0, key, response: "" }];
            if !idempotency::insert(unit.conn, &mut new, unit.now)?.is_empty() {
                return idempotency::known(unit.conn, &[&**key])?.replay(key);
            }
            let once = Once::done(&command(unit)?)?;
            idempotency::complete(unit.conn, key, &once.body)?;
            Ok(once)
        })
        .await
    }
}
