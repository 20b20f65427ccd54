//! The database's clock, which all instances share.

use diesel::sql_types::Timestamp as SqlTimestamp;
use diesel::{QueryableByName, RunQueryDsl};

use super::connection::AnyConnection;
use super::failure::Query;
use crate::timestamp::Timestamp;

/// Returns the present time by the database's clock: an instance whose own is wrong must not decide
/// what is old. SQLite has the clock of this process.
///
/// # Errors
///
/// Those of the database.
pub fn now(conn: &mut AnyConnection) -> Query<Timestamp> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlTimestamp)]
        now: Timestamp,
    }
    if let AnyConnection::Sqlite(_) = conn {
        return Ok(Timestamp::now());
    }
    let row =
        diesel::sql_query("SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now").get_result::<Row>(conn)?;
    Ok(row.now)
}
