//! A [`DatabaseUrl`] locates a database, whose kind is given by the scheme.

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
            Some((other, _)) => Err(format!("{other}:// is not supported; use postgres:// or sqlite://")),
            None => Err("not a URL: it must begin with postgres:// or sqlite://".into()),
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
