//! The database's clock, which is the same for every instance and every command.

use diesel::sql_types::{BigInt, Timestamp as SqlTimestamp};
use diesel::{QueryableByName, RunQueryDsl};

use super::connection::AnyConnection;
use super::failure::Query;
use crate::timestamp::Timestamp;

/// Returns the present moment by the database's clock, in microseconds of Unix time. It goes on
/// within a transaction.
///
/// # Errors
///
/// Those of the database.
pub fn database_time_us(conn: &mut AnyConnection) -> Query<i64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        us: i64,
    }
    let statement = match conn {
        AnyConnection::Postgres(_) => {
            "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us"
        }
        AnyConnection::Sqlite(_) => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS us",
    };
    Ok(diesel::sql_query(statement).get_result::<Row>(conn)?.us)
}

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
