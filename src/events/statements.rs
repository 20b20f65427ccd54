//! The statements that append to inboxes. Each is prepared once for each connection, which
//! `diesel::sql_query` is not.
//!
//! Rows are bound as JSON texts: Diesel can bind neither an array nor a number of rows for
//! both databases.

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use crate::db::{AnyConnection, MultiBackend};
use crate::timestamp::Timestamp;

/// Raises the counters of inboxes, and creates those that are missing. Returns each owner
/// with the last number of their inbox; users who do not exist have none.
///
/// The rows reach the insertion in ascending order of their owners, and are locked in it.
pub(super) struct RaiseCounters {
    is_sqlite: bool,
    /// `[[<owner>, <by how much>], …]`
    counts: String,
}

impl RaiseCounters {
    pub(super) fn new(conn: &AnyConnection, counts: String) -> Self {
        Self { is_sqlite: matches!(conn, AnyConnection::Sqlite(_)), counts }
    }
}

impl QueryFragment<MultiBackend> for RaiseCounters {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let (select, order) = if self.is_sqlite {
            // Without WHERE its parser would take ON CONFLICT for a join's condition.
            (
                "SELECT users.id, counts.value ->> 1, 0 FROM json_each(",
                ") AS counts JOIN users ON users.id = counts.value ->> 0 WHERE TRUE ORDER BY 1",
            )
        } else {
            (
                "SELECT users.id, (value ->> 1)::bigint, 0 FROM jsonb_array_elements(",
                // OFFSET keeps the planner, which expects a hundred rows here, from joining by a
                // scan of all users.
                "::jsonb) AS counts(value) JOIN LATERAL \
                 (SELECT id FROM users WHERE id = (value ->> 0)::bigint OFFSET 0) AS users ON TRUE ORDER BY 1",
            )
        };
        out.push_sql("INSERT INTO inboxes (user_id, last_seq, read_seq) ");
        out.push_sql(select);
        out.push_bind_param::<Text, _>(&self.counts)?;
        out.push_sql(order);
        out.push_sql(
            " ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + excluded.last_seq \
             RETURNING user_id, last_seq",
        );
        Ok(())
    }
}

impl QueryId for RaiseCounters {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for RaiseCounters {
    type SqlType = (BigInt, BigInt);
}

impl RunQueryDsl<AnyConnection> for RaiseCounters {}

/// Inserts envelopes into inboxes. An event that many inboxes get is bound once.
pub(super) struct InsertEvents {
    is_sqlite: bool,
    /// `[[<owner>, <number>, <position in events>], …]`
    rows: String,
    /// `[[<type>, <data>], …]`
    events: String,
    created_at: Timestamp,
}

impl InsertEvents {
    pub(super) fn new(conn: &AnyConnection, rows: String, events: String, created_at: Timestamp) -> Self {
        Self { is_sqlite: matches!(conn, AnyConnection::Sqlite(_)), rows, events, created_at }
    }
}

impl QueryFragment<MultiBackend> for InsertEvents {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        let [select, from, join, on] = if self.is_sqlite {
            [
                "SELECT item.value ->> 0, item.value ->> 1, event.value ->> 0, event.value ->> 1, ",
                " FROM json_each(",
                ") AS item JOIN json_each(",
                ") AS event ON event.key = item.value ->> 2",
            ]
        } else {
            [
                "SELECT (item ->> 0)::bigint, (item ->> 1)::bigint, event ->> 0, event ->> 1, ",
                " FROM jsonb_array_elements(",
                "::jsonb) AS items(item) JOIN jsonb_array_elements(",
                "::jsonb) WITH ORDINALITY AS events(event, place) ON place = (item ->> 2)::bigint + 1",
            ]
        };
        out.push_sql("INSERT INTO inbox_events (user_id, seq, type, data, created_at) ");
        out.push_sql(select);
        out.push_bind_param::<SqlTimestamp, _>(&self.created_at)?;
        out.push_sql(from);
        out.push_bind_param::<Text, _>(&self.rows)?;
        out.push_sql(join);
        out.push_bind_param::<Text, _>(&self.events)?;
        out.push_sql(on);
        Ok(())
    }
}

impl QueryId for InsertEvents {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<AnyConnection> for InsertEvents {}
