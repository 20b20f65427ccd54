//! Migrations bring a database to the schema of this build. They are embedded in the
//! binary, one folder for each kind of database.

use std::fs::OpenOptions;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::AnyConnection;
use crate::error::BoxError;
use crate::settings::{Database, DatabaseUrl};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The advisory lock that a migrating instance holds: the service's name in ASCII.
const ADVISORY_LOCK: i64 = 0x6e75_6d65_6e65_6f6e;

/// Runs the pending migrations, and returns their names.
///
/// Instances that start together do it one after the other; the later ones find no
/// migration pending. Blocks.
///
/// # Errors
///
/// If the database cannot be reached or a migration fails; the failed one is rolled back.
pub fn migrate(settings: &Database) -> Result<Vec<String>, BoxError> {
    exclusively(settings, |conn| match conn {
        AnyConnection::Postgres(conn) => names(conn.run_pending_migrations(POSTGRES)),
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
    let mut conn = AnyConnection::open(settings)
        .map_err(|error| format!("DATABASE_URL: {}", error.to_string().replace(['\n', '\t'], " ")))?;
    if let AnyConnection::Postgres(conn) = &mut conn {
        // A migration may take any time, and so may the wait for another instance.
        conn.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
        // The lock ends with the connection, also when this process is killed.
        diesel::sql_query("SELECT pg_advisory_lock($1)")
            .bind::<diesel::sql_types::BigInt, _>(ADVISORY_LOCK)
            .execute(conn)?;
    }
    step(&mut conn)
}
