//! A [`DatabaseUrl`] locates a database, whose kind is given by the scheme.

use std::fmt;
use std::path::PathBuf;

use super::postgres_url::PostgresUrl;

/// The location of a database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `postgres://…`
    Postgres(PostgresUrl),
    /// `sqlite://<path>`
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Parses the URL of a database.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without quoting it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with('?') || path == ":memory:" {
                return Err("sqlite:// must be followed by the path of a file".into());
            }
            let path = PathBuf::from(path);
            return match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                    Err(format!("the folder {} does not exist", folder.display()))
                }
                _ => Ok(Self::Sqlite(path)),
            };
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) => Ok(Self::Postgres(PostgresUrl::parse(rest)?)),
            // Not quoted: whatever is before :// may be a part of a password.
            _ => Err("must begin with postgres:// or sqlite://".into()),
        }
    }

    /// Returns how many hosts a connection attempt may try.
    pub const fn hosts(&self) -> u32 {
        match self {
            Self::Postgres(url) => url.hosts(),
            Self::Sqlite(_) => 1,
        }
    }
}

/// The kind of a database and where it is, without its user and password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => match url.place() {
                Some(place) => write!(f, "PostgreSQL {place}"),
                None => f.write_str("PostgreSQL"),
            },
            Self::Sqlite(path) => write!(f, "SQLite {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseUrl;

    #[test]
    fn a_database_is_shown_without_its_user_and_password() {
        for (url, shown) in [
            (
                "postgres://user:secret@db.example.org:5432/app?sslmode=require",
                "PostgreSQL db.example.org:5432/app",
            ),
            ("postgresql://db/app", "PostgreSQL db/app"),
            ("postgres://user:se@cret@db/app", "PostgreSQL db/app"),
            ("postgres://db/app?user=a&password=sec@ret", "PostgreSQL"),
            ("postgres://user:sec?ret@db/app", "PostgreSQL"),
            ("postgres:///app?host=/run/postgresql&password=secret", "PostgreSQL /app"),
        ] {
            assert_eq!(DatabaseUrl::parse(url).map(|url| url.to_string()).as_deref(), Ok(shown));
        }
        assert_eq!(DatabaseUrl::Sqlite("a.sqlite3".into()).to_string(), "SQLite a.sqlite3");
    }
}
