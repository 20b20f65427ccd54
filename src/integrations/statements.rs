//! The statement that stores responses under idempotency keys. It is prepared once for each
//! connection, however many keys it stores.

use std::collections::BTreeSet;

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{Text, Timestamp as SqlTimestamp};

use crate::db::{AnyConnection, MultiBackend, prepared_once};
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;

/// A response to be stored under a key.
pub(super) struct NewKey<'a> {
    /// The place of its command.
    pub(super) place: usize,
    pub(super) service: &'a str,
    pub(super) key: &'a str,
    /// The digest of the request.
    pub(super) digest: String,
    pub(super) body: &'a str,
}

/// Stores each response under its key, and returns those whose key is stored already. Of
/// several with the same key the first is stored.
///
/// The primary key decides, not an earlier read: a concurrent transaction with the same key
/// waits for the end of the first one. Keys are inserted in their order, so that two
/// transactions cannot wait for each other.
///
/// # Errors
///
/// Those of the database.
pub(super) fn insert_keys<'k, 'a>(
    conn: &mut AnyConnection,
    keys: &'k mut [NewKey<'a>],
    now: Timestamp,
) -> Result<Vec<&'k NewKey<'a>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    keys.sort_by_key(|key| (key.service, key.key, key.place));
    let rows: Vec<_> = keys.iter().map(|key| [key.service, key.key, &key.digest, key.body]).collect();
    let rows = serde_json::to_string(&rows).map_err(Error::internal)?;
    let is_sqlite = matches!(conn, AnyConnection::Sqlite(_));
    let inserted: Vec<(String, String)> = InsertKeys { is_sqlite, rows, now }.load(conn)?;
    let mut inserted: BTreeSet<_> = inserted.into_iter().collect();
    let existed = keys.iter().filter(|key| !inserted.remove(&(key.service.to_owned(), key.key.to_owned())));
    Ok(existed.collect())
}

struct InsertKeys {
    is_sqlite: bool,
    /// `[[<service>, <key>, <digest>, <body>], …]`
    rows: String,
    now: Timestamp,
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
