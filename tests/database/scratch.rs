//! A [`Scratch`] is a database of one test, as the service's own code reaches it.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use numeneon::db::{self, AnyConnection, Db};
use numeneon::settings::{self, Settings};

use crate::support::{Database, SECRET_KEY};

/// A database of one test and the settings with which the service reaches it.
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
            _ => given.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned()),
        };
        let settings = Settings::from_lookup(&lookup).expect("good settings").database;
        Self { settings, database }
    }

    /// A database with the schema, and a pool for it.
    pub fn migrated(database: Database, given: &[(&str, &str)]) -> (Self, Db) {
        let scratch = Self::empty(database, given);
        db::migrate(&scratch.settings).expect("the database is migrated");
        let db = Db::new(&scratch.settings, tokio::runtime::Handle::current()).expect("a pool");
        (scratch, db)
    }

    /// Adds a user with an inbox, by SQL.
    pub fn add_user(&self, id: i64) {
        self.database.execute(&format!(
            "INSERT INTO users (id, username, email, email_key, password_hash, first_name, last_name, search_key, \
             date_joined) VALUES ({id}, 'user{id}', '{id}@example.com', '{id}@example.com', '', '', '', '', \
             '2026-11-22 00:00:00'); INSERT INTO inboxes (user_id) VALUES ({id})"
        ));
    }
}

/// Locks a table so that nothing goes on with it until the connection is dropped. Of
/// SQLite it is the whole file, against writers only.
pub fn hold_locked(url: &str, table: &str) -> AnyConnection {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).expect("it opens");
            conn.batch_execute("BEGIN IMMEDIATE").expect("the lock");
            AnyConnection::Sqlite(conn)
        }
        None => {
            let mut conn = PgConnection::establish(url).expect("it opens");
            conn.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
                .expect("the lock");
            AnyConnection::Postgres(conn)
        }
    }
}
