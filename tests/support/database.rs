//! A [`Database`] is created for one test and dropped with it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::redaction::redact_panics;

/// A database of one test.
pub enum Database {
    Sqlite(TempDir),
    Postgres { superuser: String, name: String },
}

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    value: String,
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a folder for a database"))
    }

    pub fn postgres() -> Self {
        redact_panics();
        let superuser = super::redis::server("TEST_POSTGRES_URL");
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut conn = PgConnection::establish(&superuser).expect("a connection to TEST_POSTGRES_URL");
        conn.batch_execute(&format!("CREATE DATABASE {name}")).expect("a new database");
        Self::Postgres { superuser, name }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("test.sqlite3").display()),
            Self::Postgres { superuser, name } => {
                let mut url = url::Url::parse(superuser).expect("TEST_POSTGRES_URL is a URL");
                url.set_path(name);
                url.into()
            }
        }
    }

    /// Begins the ids of users at a random number: all tests share one Redis, in which groups
    /// are named by the ids of users.
    pub fn use_distinct_ids(&self) {
        if let Self::Postgres { .. } = self {
            let first = fastrand::u64(1..1 << 40);
            self.execute(&format!("ALTER TABLE users ALTER COLUMN id RESTART WITH {first}"));
        }
    }

    pub fn execute(&self, statements: &str) {
        let done = match self {
            Self::Sqlite(_) => self.connect_sqlite().batch_execute(statements),
            Self::Postgres { .. } => self.connect_postgres().batch_execute(statements),
        };
        done.expect(statements);
    }

    /// Returns the number that an expression of SQL yields.
    pub fn number(&self, expression: &str) -> i64 {
        let query = diesel::sql_query(format!("SELECT CAST(({expression}) AS BIGINT) AS value"));
        let row = match self {
            Self::Sqlite(_) => query.get_result::<NumberRow>(&mut self.connect_sqlite()),
            Self::Postgres { .. } => query.get_result::<NumberRow>(&mut self.connect_postgres()),
        };
        row.expect("a number").value
    }

    /// Returns the text that an expression of SQL yields.
    pub fn text(&self, expression: &str) -> String {
        let query = diesel::sql_query(format!("SELECT CAST(({expression}) AS TEXT) AS value"));
        let row = match self {
            Self::Sqlite(_) => query.get_result::<TextRow>(&mut self.connect_sqlite()),
            Self::Postgres { .. } => query.get_result::<TextRow>(&mut self.connect_postgres()),
        };
        row.expect("a text").value
    }

    fn connect_sqlite(&self) -> SqliteConnection {
        let url = self.url();
        let path = url.strip_prefix("sqlite://").unwrap_or(&url);
        let mut conn = SqliteConnection::establish(path).expect("the database opens");
        let pragmas = "PRAGMA busy_timeout = 30000; PRAGMA foreign_keys = ON";
        conn.batch_execute(pragmas).expect("the pragmas are set");
        conn
    }

    fn connect_postgres(&self) -> PgConnection {
        PgConnection::establish(&self.url()).expect("a connection to the database")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { superuser, name } = self
            && let Ok(mut conn) = PgConnection::establish(superuser)
        {
            // A database that is not dropped here is gone with its server.
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}
