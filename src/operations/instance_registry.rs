//! The [`InstanceRegistry`] writes into the database that this instance lives, and reads there
//! which others do: the channel layer compares them with those that it hears.
//!
//! Times are those of the database's clock.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::channel_layer::{ChannelLayer, Neighbour};
use crate::db::{AnyConnection, Db, End, Query};
use crate::error::Result;

/// How often the row is written: often enough to notice within seconds that an instance is not
/// heard, and far less than the database bears.
const PERIOD: Duration = Duration::from_secs(2);

/// How long an instance that starts is not in the database, unless it publishes: the others need
/// not know that it cannot yet.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// After how long without a write an instance no longer counts as one that lives.
const ALIVE_MS: i64 = 10_000;

/// After how long without a write a row is deleted, by whichever instance comes first.
const DELETE_AFTER_MS: i64 = 60_000;

/// The clock of the database, in milliseconds since 1970.
const POSTGRES_CLOCK: &str = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint";
const SQLITE_CLOCK: &str = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

/// The task that keeps the row of this instance.
pub struct InstanceRegistry {
    layer: ChannelLayer,
    db: Db,
}

impl InstanceRegistry {
    /// Returns the task of the instance with this layer.
    pub const fn new(layer: ChannelLayer, db: Db) -> Self {
        Self { layer, db }
    }

    /// Runs until the future is dropped; ends at once in memory, which no other instance shares.
    pub async fn run(self) {
        let _ = timeout(START_TIMEOUT, self.layer.healthy()).await;
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some((id, publishes)) = self.layer.instance() {
            ticks.tick().await;
            let id = id.to_owned();
            let refresh =
                self.db.transaction(move |conn| Ok(refresh(conn, &id, publishes)?), End::into_result);
            match refresh.await {
                Ok(neighbours) => self.layer.compare_neighbours(&neighbours),
                // The database logs at `warn` when it fails and at `info` when it recovers.
                Err(error) => tracing::debug!(cause = %error, "reading the instances failed; retrying"),
            }
        }
    }
}

/// Deletes the row of an instance that stops.
///
/// # Errors
///
/// Those of the database.
pub async fn leave(layer: &ChannelLayer, db: &Db) -> Result<()> {
    let Some((id, _)) = layer.instance() else { return Ok(()) };
    let id = id.to_owned();
    let delete = move |conn: &mut AnyConnection| {
        Ok(diesel::sql_query("DELETE FROM instances WHERE id = $1").bind::<Text, _>(id).execute(conn)?)
    };
    db.transaction(delete, End::into_result).await.map(drop)
}

/// Writes the row of an instance, and returns the others that live.
fn refresh(conn: &mut AnyConnection, id: &str, publishes: bool) -> Query<Vec<Neighbour>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Bool)]
        publishes: bool,
        #[diesel(sql_type = BigInt)]
        age_ms: i64,
    }
    let clock = if matches!(conn, AnyConnection::Sqlite(_)) { SQLITE_CLOCK } else { POSTGRES_CLOCK };
    diesel::sql_query(format!(
        "INSERT INTO instances (id, publishes, seen_at_ms) VALUES ($1, $2, {clock}) \
         ON CONFLICT (id) DO UPDATE SET publishes = excluded.publishes, seen_at_ms = excluded.seen_at_ms"
    ))
    .bind::<Text, _>(id)
    .bind::<Bool, _>(publishes)
    .execute(conn)?;
    diesel::sql_query(format!("DELETE FROM instances WHERE seen_at_ms < {clock} - $1"))
        .bind::<BigInt, _>(DELETE_AFTER_MS)
        .execute(conn)?;
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT id, publishes, {clock} - seen_at_ms AS age_ms FROM instances \
         WHERE id <> $1 AND seen_at_ms > {clock} - $2"
    ))
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(ALIVE_MS)
    .load(conn)?;
    let neighbour = |Row { id, publishes, age_ms }| {
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        Neighbour { id, publishes, age }
    };
    Ok(rows.into_iter().map(neighbour).collect())
}
