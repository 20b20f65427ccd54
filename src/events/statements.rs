//! The statements that append to inboxes, and the one that replays them.
//!
//! Rows are bound as JSON texts: Diesel can bind neither an array nor a number of rows for
//! both databases.

use diesel::RunQueryDsl;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use crate::db::{AnyConnection, MultiBackend, prepared_once};
use crate::error::Result;
use crate::events::event::Seq;
use crate::ids::UserId;
use crate::timestamp::Timestamp;

/// What is appended to inboxes, as the statements bind it.
pub(super) struct Appending {
    /// `[[<owner>, <how many envelopes>], …]`
    pub(super) counts: String,
    /// `[[<owner>, <offset from the last number>, <position in events>], …]`
    pub(super) rows: String,
    /// `[[<type>, <data>], …]`: an event that many inboxes get is bound once.
    pub(super) events: String,
    pub(super) now: Timestamp,
}

impl Appending {
    /// Raises the counters of inboxes, creates those that are missing, and inserts the
    /// envelopes. Returns each owner with the last number of their inbox; users who do not
    /// exist have none, and get nothing.
    ///
    /// The owners reach the insertion in ascending order, and their inboxes are locked in it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(super) fn run(self, conn: &mut AnyConnection) -> Result<Vec<(UserId, Seq)>> {
        if let AnyConnection::Postgres(_) = conn {
            return Ok(Append(self).load(conn)?);
        }
        let raised = RaiseCounters(&self).load(conn)?;
        InsertEnvelopes(&self).execute(conn)?;
        Ok(raised)
    }
}

/// Appends in one statement, for PostgreSQL: a round trip less for each transaction.
struct Append(Appending);

impl QueryFragment<MultiBackend> for Append {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "WITH raised AS (INSERT INTO inboxes (user_id, last_seq, read_seq) \
             SELECT users.id, (value ->> 1)::bigint, 0 FROM jsonb_array_elements(",
        );
        out.push_bind_param::<Text, _>(&self.0.counts)?;
        // OFFSET keeps the planner, which expects a hundred rows here, from joining by a scan of
        // all users.
        out.push_sql(
            "::jsonb) AS counts(value) JOIN LATERAL \
             (SELECT id FROM users WHERE id = (value ->> 0)::bigint OFFSET 0) AS users ON TRUE ORDER BY 1 \
             ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + excluded.last_seq \
             RETURNING user_id, last_seq), \
             appended AS (INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
             SELECT raised.user_id, raised.last_seq + (item ->> 1)::bigint, event ->> 0, event ->> 1, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.0.now)?;
        out.push_sql(" FROM jsonb_array_elements(");
        out.push_bind_param::<Text, _>(&self.0.rows)?;
        out.push_sql("::jsonb) AS items(item) JOIN jsonb_array_elements(");
        out.push_bind_param::<Text, _>(&self.0.events)?;
        out.push_sql(
            "::jsonb) WITH ORDINALITY AS events(event, place) ON place = (item ->> 2)::bigint + 1 \
             JOIN raised ON raised.user_id = (item ->> 0)::bigint) \
             SELECT user_id, last_seq + (SELECT lift FROM generation) FROM raised",
        );
        Ok(())
    }
}

/// Raises the counters of inboxes, for SQLite.
struct RaiseCounters<'a>(&'a Appending);

impl QueryFragment<MultiBackend> for RaiseCounters<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO inboxes (user_id, last_seq, read_seq) \
             SELECT users.id, counts.value ->> 1, 0 FROM json_each(",
        );
        out.push_bind_param::<Text, _>(&self.0.counts)?;
        // Without WHERE its parser would take ON CONFLICT for a join's condition.
        out.push_sql(
            ") AS counts JOIN users ON users.id = counts.value ->> 0 WHERE TRUE ORDER BY 1 \
             ON CONFLICT (user_id) DO UPDATE SET last_seq = inboxes.last_seq + excluded.last_seq \
             RETURNING user_id, last_seq + (SELECT lift FROM generation)",
        );
        Ok(())
    }
}

/// Inserts the envelopes into inboxes whose counters were raised, for SQLite.
struct InsertEnvelopes<'a>(&'a Appending);

impl QueryFragment<MultiBackend> for InsertEnvelopes<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
             SELECT inboxes.user_id, inboxes.last_seq + (item.value ->> 1), event.value ->> 0, event.value ->> 1, ",
        );
        out.push_bind_param::<SqlTimestamp, _>(&self.0.now)?;
        out.push_sql(" FROM json_each(");
        out.push_bind_param::<Text, _>(&self.0.rows)?;
        out.push_sql(") AS item JOIN json_each(");
        out.push_bind_param::<Text, _>(&self.0.events)?;
        out.push_sql(
            ") AS event ON event.key = item.value ->> 2 \
             JOIN inboxes ON inboxes.user_id = item.value ->> 0",
        );
        Ok(())
    }
}

/// Reads the envelopes of an inbox after a number, in order: `limit` at most, and none that
/// follows `bytes` of data.
pub(super) struct EnvelopesAfter {
    pub(super) user: UserId,
    pub(super) cursor: Seq,
    pub(super) limit: i64,
    pub(super) bytes: i64,
}

impl QueryFragment<MultiBackend> for EnvelopesAfter {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT seq + (SELECT lift FROM generation), type, data FROM (SELECT seq, type, data, \
             SUM(octet_length(data)) OVER (ORDER BY seq) - octet_length(data) AS bytes_before FROM ( \
             SELECT seq, type, data FROM inbox_events WHERE user_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(" AND seq > ");
        out.push_bind_param::<BigInt, _>(&self.cursor)?;
        out.push_sql(" - (SELECT lift FROM generation) ORDER BY seq LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") AS page) AS measured WHERE bytes_before < ");
        out.push_bind_param::<BigInt, _>(&self.bytes)?;
        out.push_sql(" ORDER BY seq");
        Ok(())
    }
}

/// Reads the last number of an inbox and the number up to which it is read, also of a user who has
/// no inbox.
pub(super) struct PositionOf(pub(super) UserId);

impl QueryFragment<MultiBackend> for PositionOf {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(
            "SELECT lift + coalesce(last_seq, 0), lift + coalesce(read_seq, 0) FROM generation \
             LEFT JOIN inboxes ON user_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.0)
    }
}

prepared_once! {
    PositionOf => (BigInt, BigInt);
    Append => (BigInt, BigInt);
    RaiseCounters<'_> as RaiseCounters<'static> => (BigInt, BigInt);
    InsertEnvelopes<'_> as InsertEnvelopes<'static>;
    EnvelopesAfter => (BigInt, Text, Text);
}
