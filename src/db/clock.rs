//! The database's clock, which is the same for every instance and every command.

use diesel::sql_types::BigInt;
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
/// what is old.
///
/// # Errors
///
/// Those of the database.
pub fn now(conn: &mut AnyConnection) -> Query<Timestamp> {
    database_time_us(conn).map(Timestamp::of_unix_micros)
}
