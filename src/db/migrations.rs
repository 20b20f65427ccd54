//! Migrations bring a database to the schema of this build. They are embedded in the
//! binary, one folder for each kind of database.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::AnyConnection;
use super::pooler;
use crate::error::BoxError;
use crate::settings::{Database, DatabaseUrl};
use crate::telemetry::Degradation;

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
    "users_search_key_prefix",
    "friendships_requests",
    "messages_reply_to_story",
];

/// How often an instance tries to take the lock while another one migrates.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(50);

/// How long a migration waits for a lock on a table at a time: whoever comes after it waits behind
/// it, for as long as a reader such as `pg_dump` has the table.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause between two attempts to get such a lock, in which those who waited go on.
const LOCK_PAUSE: Duration = Duration::from_secs(2);

/// How long a migration waits for locks in all; then the start fails, and whoever supervises it
/// tries again. Migrations outside a transaction wait as long at once: nobody waits behind them.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// Runs the pending migrations, and returns their names. If there are none, it needs no right but to
/// read which ones were run.
///
/// Instances that start together do it one after the other; the later ones find no
/// migration pending. Blocks.
///
/// # Errors
///
/// If the database cannot be reached or a migration fails. The failed one is rolled back, or,
/// if it runs outside a transaction, can be run again.
pub fn migrate(settings: &Database) -> Result<Vec<String>, BoxError> {
    if matches!(settings.url, DatabaseUrl::Postgres(_)) {
        let mut conn = connect(settings)?;
        pooler::refuse_transaction_pooling(settings, &mut conn)?;
        if !has_pending(&mut conn)? {
            return Ok(Vec::new());
        }
    }
    exclusively(settings, |conn| match conn {
        AnyConnection::Postgres(conn) => {
            let pending = conn.pending_migrations(POSTGRES)?;
            if !pending.is_empty() {
                drop_invalid_indexes(conn)?;
            }
            pending.iter().map(|migration| run(conn, &**migration)).collect()
        }
        AnyConnection::Sqlite(conn) => names(conn.run_pending_migrations(SQLITE)),
    })
}

/// Returns whether a migration is pending, without creating Diesel's table, which takes a right.
fn has_pending(conn: &mut AnyConnection) -> Result<bool, BoxError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    const TABLE: &str =
        "SELECT relname::text AS version FROM pg_class WHERE oid = to_regclass('__diesel_schema_migrations')";
    if diesel::sql_query(TABLE).load::<Row>(conn)?.is_empty() {
        return Ok(true);
    }
    let rows = diesel::sql_query("SELECT version::text AS version FROM __diesel_schema_migrations");
    let applied: HashSet<String> = rows.load::<Row>(conn)?.into_iter().map(|row| row.version).collect();
    let all: Vec<Box<dyn Migration<Pg>>> = POSTGRES.migrations()?;
    Ok(all.iter().any(|migration| !applied.contains(&migration.name().version().to_string())))
}

/// Runs a migration, and again while it does not get a lock in time. Returns its name.
fn run(conn: &mut PgConnection, migration: &dyn Migration<Pg>) -> Result<String, BoxError> {
    let is_transaction = migration.metadata().run_in_transaction();
    let timeout = if is_transaction { LOCK_TIMEOUT } else { LOCK_PATIENCE };
    conn.batch_execute(&format!("SET lock_timeout = {}", timeout.as_millis()))?;
    let (started, waiting) = (Instant::now(), Degradation::default());
    loop {
        match conn.run_migration(migration) {
            Ok(version) => return Ok(version.to_string()),
            Err(error)
                if !error.to_string().contains("lock timeout") || started.elapsed() > LOCK_PATIENCE =>
            {
                return Err(error);
            }
            Err(error) => {
                if waiting.begin(migration.name()) {
                    tracing::warn!(migration = %migration.name(), cause = %error, "a migration waits for a lock; retrying");
                }
            }
        }
        thread::sleep(LOCK_PAUSE);
    }
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

fn connect(settings: &Database) -> Result<AnyConnection, BoxError> {
    let conn = AnyConnection::open(settings, 0);
    Ok(conn.map_err(|error| format!("DATABASE_URL: {}", error.to_string().replace(['\n', '\t'], " ")))?)
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
            // Readable by its owner only; SQLite gives the files beside it the same mode.
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            file.lock()?;
            Some(file)
        }
        DatabaseUrl::Postgres(_) => None,
    };
    let mut conn = connect(settings)?;
    if let AnyConnection::Postgres(conn) = &mut conn {
        // A migration may take any time.
        conn.batch_execute("SET statement_timeout = 0")?;
        lock(conn)?;
    }
    step(&mut conn)
}
