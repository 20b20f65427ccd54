//! The statement that stores keys. It is prepared once for each connection, however many keys it
//! stores.

use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{Text, Timestamp as SqlTimestamp};

use super::request_key::RequestKey;
use crate::db::{AnyConnection, MultiBackend, prepared_once};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// A key to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// The place of its request among others.
    pub place: usize,
    /// The key.
    pub key: &'a RequestKey,
    /// What is returned to a repetition.
    pub response: &'a str,
}

/// Inserts keys in their order, and returns those that did not exist.
pub(super) struct InsertKeys {
    is_sqlite: bool,
    /// `[[<requester>, <key>, <fingerprint>, <response>], …]`
    rows: String,
    now: Timestamp,
}

impl InsertKeys {
    pub(super) fn new(conn: &AnyConnection, keys: &[NewKey<'_>], now: Timestamp) -> Result<Self> {
        let rows: Vec<_> = keys
            .iter()
            .map(|new| [new.key.requester(), new.key.text(), new.key.fingerprint(), new.response])
            .collect();
        let rows = serde_json::to_string(&rows).map_err(Error::internal)?;
        Ok(Self { is_sqlite: matches!(conn, AnyConnection::Sqlite(_)), rows, now })
    }
}

impl QueryFragment<MultiBackend> for InsertKeys {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let [from, order] = if self.is_sqlite {
            [" FROM json_each(", ") WHERE TRUE ORDER BY key"]
        } else {
            [" FROM jsonb_array_elements(", "::jsonb) WITH ORDINALITY AS rows(value, place) ORDER BY place"]
        };
        out.push_sql(
            "INSERT INTO idempotency_keys (service, key, request_hash, answer, created_at) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.now)?;
        out.push_sql(from);
        out.push_bind_param::<Text, _>(&self.rows)?;
        out.push_sql(order);
        out.push_sql(" ON CONFLICT (service, key) DO NOTHING RETURNING service, key");
        Ok(())
    }
}

prepared_once! { InsertKeys => (Text, Text); }
