//! Migrations bring a database to the schema of this build. They are embedded in the
//! binary, one folder for each kind of database.

use std::fs::OpenOptions;
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::AnyConnection;
use crate::error::BoxError;
use crate::settings::{Database, DatabaseUrl};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The advisory lock that a migrating instance holds: the service's name in ASCII.
const ADVISORY_LOCK: i64 = 0x6e75_6d65_6e65_6f6e;

/// The indexes that migrations build while the service runs.
const BUILT_CONCURRENTLY: &[&str] = &[
    "messages_sender_id",
    "messages_receiver_id",
    "users_newest",
    "users_search_key_bigrams",
    "friendships_requests",
];

/// How often an instance tries to take the lock while another one migrates.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Runs the pending migrations, and returns their names.
///
/// Instances that start together do it one after the other; the later ones find no
/// migration pending. Blocks.
///
/// # Errors
///
/// If the database cannot be reached or a migration fails. The failed one is rolled back, or,
/// if it runs outside a transaction, can be run again.
pub fn migrate(settings: &Database) -> Result<Vec<String>, BoxError> {
    exclusively(settings, |conn| match conn {
        AnyConnection::Postgres(conn) => {
            if conn.has_pending_migration(POSTGRES)? {
                drop_invalid_indexes(conn)?;
            }
            names(conn.run_pending_migrations(POSTGRES))
        }
        AnyConnection::Sqlite(conn) => names(conn.run_pending_migrations(SQLITE)),
    })
}

/// Reverts every migration, which deletes all data. Blocks.
///
/// # Errors
///
/// As [`migrate`].
pub fn revert(settings: &Database) -> Result<Vec<String>, BoxError> {
    exclusively(settings, |conn| match conn {
        AnyConnection::Postgres(conn) => names(conn.revert_all_migrations(POSTGRES)),
        AnyConnection::Sqlite(conn) => names(conn.revert_all_migrations(SQLITE)),
    })
}

fn names(
    result: diesel::migration::Result<Vec<diesel::migration::MigrationVersion<'_>>>,
) -> Result<Vec<String>, BoxError> {
    Ok(result?.iter().map(ToString::to_string).collect())
}

/// Drops those of the migrations' indexes that a killed `CREATE INDEX CONCURRENTLY` left behind:
/// they serve no query, and the migration that is run again would take them for complete.
fn drop_invalid_indexes(conn: &mut PgConnection) -> Result<(), BoxError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        name: String,
    }
    // Others are an operator's, and may be in progress.
    let invalid = diesel::sql_query(
        "SELECT relname::text AS name FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace",
    );
    for Row { name } in invalid.load(conn)? {
        if BUILT_CONCURRENTLY.contains(&name.as_str()) {
            conn.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}"))?;
        }
    }
    Ok(())
}

/// Waits for the lock that one migrating instance holds. It ends with the connection, also
/// when this process is killed.
///
/// The lock is tried again and again, because a statement that waits for it has a snapshot,
/// and `CREATE INDEX CONCURRENTLY` waits for the end of all older snapshots.
fn lock(conn: &mut PgConnection) -> Result<(), BoxError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_taken: bool,
    }
    loop {
        let query = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS is_taken");
        if query.bind::<BigInt, _>(ADVISORY_LOCK).get_result::<Row>(conn)?.is_taken {
            return Ok(());
        }
        thread::sleep(LOCK_RETRY_DELAY);
    }
}

/// Runs `step` while no other instance runs one.
fn exclusively<T>(
    settings: &Database,
    step: impl FnOnce(&mut AnyConnection) -> Result<T, BoxError>,
) -> Result<T, BoxError> {
    // The lock on the file is not one of SQLite's. It is opened before the
    // connection and closed after it, because closing a file drops the locks that
    // this process's SQLite holds on it.
    let _file = match &settings.url {
        DatabaseUrl::Sqlite(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            file.lock()?;
            Some(file)
        }
        DatabaseUrl::Postgres(_) => None,
    };
    let mut conn = AnyConnection::open(settings, 0)
        .map_err(|error| format!("DATABASE_URL: {}", error.to_string().replace(['\n', '\t'], " ")))?;
    if let AnyConnection::Postgres(conn) = &mut conn {
        // A migration may take any time, and so may the wait for another instance.
        conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
        lock(conn)?;
    }
    step(&mut conn)
}
