//! A [`Scratch`] is a database of one test that the service's own code uses.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use numeneon::db::{self, AnyConnection, Db};
use numeneon::settings::{self, Settings};
use rstest_reuse::template;

use crate::support::{Database, LONG_DATABASE_TIMEOUTS, SECRET_KEY};

/// Runs a test on both databases.
#[template]
#[rstest::rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases(#[case] database: Database) {}

/// Runs a test that is not asynchronous on both databases.
#[template]
#[rstest::rstest]
#[case::sqlite(Database::sqlite())]
#[case::postgres(Database::postgres())]
fn both_databases_blocking(#[case] database: Database) {}

/// A database of one test and the settings with which the service uses it.
pub struct Scratch {
    pub settings: settings::Database,
    pub database: Database,
}

impl Scratch {
    /// An empty database.
    pub fn empty(database: Database, given: &[(&str, &str)]) -> Self {
        let url = database.url();
        let lookup = |name: &str| match name {
            "DATABASE_URL" => Some(url.clone()),
            "SECRET_KEY" => Some(SECRET_KEY.to_owned()),
            _ => {
                let mut settings = given.iter().chain(LONG_DATABASE_TIMEOUTS);
                settings.find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            }
        };
        let settings = Settings::from_lookup(&lookup).expect("valid settings").database;
        Self { settings, database }
    }

    /// A database with the schema, and its pool.
    pub fn migrated(database: Database, given: &[(&str, &str)]) -> (Self, Db) {
        let scratch = Self::empty(database, given);
        db::migrate(&scratch.settings).expect("the database is migrated");
        let db = Db::new(&scratch.settings, tokio::runtime::Handle::current()).expect("a pool");
        (scratch, db)
    }

    /// Inserts a user with an inbox.
    pub fn add_user(&self, id: i64) {
        self.database.execute(&format!(
            "INSERT INTO users (id, username, email, email_key, password_hash, first_name, last_name, search_key, \
             date_joined) VALUES ({id}, 'user{id}', '{id}@example.com', '{id}@example.com', '', '', '', '', \
             '2026-11-22 00:00:00'); INSERT INTO inboxes (user_id) VALUES ({id})"
        ));
    }
}

/// Locks a table until the connection is dropped: in PostgreSQL against everybody, in SQLite the
/// whole database against writers.
pub fn lock(url: &str, table: &str) -> AnyConnection {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).expect("a connection");
            conn.batch_execute("BEGIN IMMEDIATE").expect("the lock");
            AnyConnection::Sqlite(conn)
        }
        None => {
            let mut conn = PgConnection::establish(url).expect("a connection");
            conn.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
                .expect("the lock");
            AnyConnection::Postgres(conn)
        }
    }
}
