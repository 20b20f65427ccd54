//! [`among`] is a condition on a column: that it is one of some ids, however many there are.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Bool, Text};

use super::connection::{AnyConnection, MultiBackend};

/// Returns the condition that a column is one of these ids.
///
/// They are bound as one text, so that the statement is the same for every number of ids and
/// is prepared once for each connection, which `eq_any` is not.
pub fn among<C>(conn: &AnyConnection, column: C, ids: impl IntoIterator<Item = i64>) -> Among<C> {
    let is_sqlite = matches!(conn, AnyConnection::Sqlite(_));
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    let ids = ids.join(",");
    Among { is_sqlite, column, ids: if is_sqlite { format!("[{ids}]") } else { format!("{{{ids}}}") } }
}

/// The condition that a column is one of some ids.
#[derive(Clone, Debug)]
pub struct Among<C> {
    is_sqlite: bool,
    column: C,
    /// As PostgreSQL writes an array, or as JSON for SQLite.
    ids: String,
}

impl<C: QueryFragment<MultiBackend>> QueryFragment<MultiBackend> for Among<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(if self.is_sqlite { " IN (SELECT value FROM json_each(" } else { " = ANY (CAST(" });
        out.push_bind_param::<Text, _>(&self.ids)?;
        out.push_sql(if self.is_sqlite { "))" } else { " AS bigint[]))" });
        Ok(())
    }
}

impl<C: QueryId> QueryId for Among<C> {
    type QueryId = Among<C::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = C::HAS_STATIC_QUERY_ID;
}

impl<C: Expression<SqlType = BigInt>> Expression for Among<C> {
    type SqlType = Bool;
}

impl<C, T> AppearsOnTable<T> for Among<C>
where
    C: AppearsOnTable<T>,
    Self: Expression,
{
}

impl<C, T> SelectableExpression<T> for Among<C>
where
    C: SelectableExpression<T>,
    Self: AppearsOnTable<T>,
{
}

impl<C> ValidGrouping<()> for Among<C> {
    type IsAggregate = is_aggregate::No;
}
