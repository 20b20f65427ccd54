//! A [`Database`] is made for one test and dropped with it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, SqliteConnection};
use tempfile::TempDir;

/// A database of one test.
pub enum Database {
    Sqlite(TempDir),
    Postgres { superuser: String, name: String },
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    value: String,
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a folder for a database"))
    }

    pub fn postgres() -> Self {
        let superuser = super::redis::server("TEST_POSTGRES_URL");
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut conn = PgConnection::establish(&superuser).expect("TEST_POSTGRES_URL lets nobody in");
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

    /// Gives the people of this database ids of their own: all tests share one Redis,
    /// in which a group is named by a person's id.
    pub fn keep_ids_apart(&self) {
        if let Self::Postgres { .. } = self {
            let first = fastrand::u64(1..1 << 40);
            self.execute(&format!("ALTER TABLE users ALTER COLUMN id RESTART WITH {first}"));
        }
    }

    pub fn execute(&self, statements: &str) {
        let done = match self {
            Self::Sqlite(_) => self.open_sqlite().batch_execute(statements),
            Self::Postgres { .. } => self.open_postgres().batch_execute(statements),
        };
        done.expect(statements);
    }

    pub fn number(&self, query: &str) -> i64 {
        let query = diesel::sql_query(format!("SELECT CAST(({query}) AS BIGINT) AS value"));
        let found = match self {
            Self::Sqlite(_) => query.get_result::<Number>(&mut self.open_sqlite()),
            Self::Postgres { .. } => query.get_result::<Number>(&mut self.open_postgres()),
        };
        found.expect("a number").value
    }

    pub fn text(&self, query: &str) -> String {
        let query = diesel::sql_query(format!("SELECT CAST(({query}) AS TEXT) AS value"));
        let found = match self {
            Self::Sqlite(_) => query.get_result::<Line>(&mut self.open_sqlite()),
            Self::Postgres { .. } => query.get_result::<Line>(&mut self.open_postgres()),
        };
        found.expect("a text").value
    }

    fn open_sqlite(&self) -> SqliteConnection {
        let url = self.url();
        let path = url.strip_prefix("sqlite://").unwrap_or(&url);
        let mut conn = SqliteConnection::establish(path).expect("the database opens");
        conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON").expect("it obeys");
        conn
    }

    fn open_postgres(&self) -> PgConnection {
        PgConnection::establish(&self.url()).expect("the database opens")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { superuser, name } = self
            && let Ok(mut conn) = PgConnection::establish(superuser)
        {
            // The servers end with the tests, and what is left with them.
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}
