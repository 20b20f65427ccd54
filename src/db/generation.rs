//! A generation is one history of the database, in which a number of an inbox means one event.
//!
//! A restore of an older state begins another history, and so does a failover that loses
//! commits: numbers that clients have seen would be given out a second time, for other events. A
//! database therefore has a **mark**, kept in its row `generation`, which changes with its
//! history; and a **lift**, which is added to each stored number where it leaves the database.
//! A connection whose database has another mark than its row says raises the lift before
//! anything else is done with it. It is one row, so that all numbers of all inboxes are lifted at
//! once, for every reader, however many there are; and an old cursor is then far behind.
//!
//! The mark of PostgreSQL is its system identifier, its timeline, and the identity of the table:
//! a copy of the server has another timeline once it was promoted or recovered to a point in time,
//! and a dump creates the table anew. The mark of SQLite counts its transactions, and a file
//! beside the database has the last one. What changes none of them, such as a disk that was put
//! back to an older state, only an operator knows of: [`Db::raise_lift`](super::Db::raise_lift) is for that.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Text};

use super::connection::{AnyConnection, MultiBackend};
use super::failure::Query;
use super::prepared::prepared_once;
use super::sqlite_file::SqliteFile;
use crate::error::{BoxError, Error};

/// How often another process may come first before this one gives up. Each time it has done what
/// this one was about to do.
const ATTEMPTS: usize = 3;

/// The expressions of PostgreSQL's mark. Not every operator and service permits the first one, and
/// not every server that speaks PostgreSQL's protocol has the second.
const MARKS: [&str; 3] = [
    "(SELECT system_identifier FROM pg_control_system()) || '/' || \
     left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '/' || 'generation'::regclass::oid",
    "'-/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '/' || 'generation'::regclass::oid",
    "'-/-/' || 'generation'::regclass::oid",
];

/// The new lift, which no number of any earlier history has reached: a second of the database's
/// clock since 2026 has 2^20 numbers, more than an inbox gets events meanwhile. So it differs also
/// from the lift of a history that was lost. It stays below 2^53, the largest whole number of
/// JavaScript, for 272 years.
const fn new_lift(is_sqlite: bool) -> &'static str {
    if is_sqlite {
        "MAX(lift + 1048576, (CAST(strftime('%s', 'now') AS INTEGER) - 1767225600) * 1048576)"
    } else {
        "GREATEST(lift + 1048576, (extract(epoch FROM now())::bigint - 1767225600) * 1048576)"
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    lift: i64,
    /// As it is stored; empty before the first connection.
    #[diesel(sql_type = Text)]
    mark: String,
    /// As it is now.
    #[diesel(sql_type = Text)]
    present: String,
}

/// A lift, and what was found when it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    /// The lift.
    pub(super) lift: i64,
    /// Whether this connection has raised it.
    pub(super) is_raised: bool,
    /// Whether parts of the mark cannot be read.
    pub(super) is_partial: bool,
}

/// Compares the mark of the database with its row, and raises the lift if they differ. Of several
/// connections one does; the others wait for it.
///
/// # Errors
///
/// If the database cannot be read or written.
pub(super) fn verify(conn: &mut AnyConnection, file: Option<&SqliteFile>) -> Result<Verified, BoxError> {
    let mut is_raised = false;
    for _ in 0..ATTEMPTS {
        let (Row { lift, mark, present }, is_partial) = match file {
            Some(file) => (sqlite_row(conn, file, file.is_replacement() && !is_raised)?, false),
            None => postgres_row(conn)?,
        };
        if mark == present {
            return Ok(Verified { lift, is_raised, is_partial });
        }
        let is_first = mark.is_empty() && file.is_none();
        let lift = if is_first { "lift" } else { new_lift(file.is_some()) };
        let raised =
            diesel::sql_query(format!("UPDATE generation SET mark = $1, lift = {lift} WHERE mark = $2"))
                .bind::<Text, _>(&present)
                .bind::<Text, _>(&mark)
                .execute(conn)?;
        is_raised |= raised > 0 && !is_first;
        if let Some(file) = file {
            file.record(&present);
        }
    }
    Err("the history of the database changes again and again".into())
}

/// Returns the row, and whether parts of the mark are missing.
fn postgres_row(conn: &mut AnyConnection) -> Result<(Row, bool), BoxError> {
    let mut last: Option<Error> = None;
    for (place, present) in MARKS.into_iter().enumerate() {
        let row = diesel::sql_query(format!("SELECT lift, mark, {present} AS present FROM generation"));
        match row.get_result::<Row>(conn).map_err(Error::from) {
            Ok(row) => return Ok((row, place > 0)),
            Err(Error::Unavailable(cause)) => return Err(cause),
            Err(error) => last = last.or(Some(error)),
        }
    }
    Err(last.map_or_else(|| "no generation".into(), Into::into))
}

/// Returns the row. Its mark differs from the present one if transactions are missing that the
/// file beside the database has counted, or if this is another file than before.
fn sqlite_row(conn: &mut AnyConnection, file: &SqliteFile, is_replacement: bool) -> Result<Row, BoxError> {
    let mut row: Row =
        diesel::sql_query("SELECT lift, mark, mark AS present FROM generation").get_result(conn)?;
    let (stored, recorded) = (row.mark.parse().unwrap_or(0), file.recorded());
    if recorded.is_some_and(|recorded| recorded > stored) || is_replacement {
        row.present = (stored.max(recorded.unwrap_or(0)) + 1).to_string();
    }
    Ok(row)
}

/// Raises the lift: from now on every number is far above all earlier ones. Returns the new one.
///
/// # Errors
///
/// Those of the database.
pub(super) fn raise_lift(conn: &mut AnyConnection) -> Query<i64> {
    let new_lift = new_lift(matches!(conn, AnyConnection::Sqlite(_)));
    diesel::sql_query(format!("UPDATE generation SET lift = {new_lift}")).execute(conn)?;
    super::schema::generation::table.select(super::schema::generation::lift).first(conn)
}

/// Counts a transaction of SQLite, at its end, and returns its number.
pub(super) fn count_transaction(conn: &mut AnyConnection) -> Query<String> {
    CountTransaction.get_result(conn)
}

struct CountTransaction;

impl QueryFragment<MultiBackend> for CountTransaction {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql("UPDATE generation SET mark = CAST(mark AS INTEGER) + 1 RETURNING mark");
        Ok(())
    }
}

prepared_once! {
    CountTransaction => Text;
}

/// What is added to a stored number in a query, which reads it with its other rows: a number and
/// its lift are always of one moment.
#[derive(Clone, Copy, Debug, Default, QueryId, ValidGrouping)]
pub struct Lift;

impl Lift {
    /// The expression, for statements that are written as text.
    pub const SQL: &'static str = "(SELECT lift FROM generation)";
}

impl QueryFragment<MultiBackend> for Lift {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        out.push_sql(Self::SQL);
        Ok(())
    }
}

impl Expression for Lift {
    type SqlType = BigInt;
}

impl<T> AppearsOnTable<T> for Lift {}

impl<T> SelectableExpression<T> for Lift {}
