//! A [`DatabaseUrl`] locates a database, whose kind is given by the scheme.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// The location of a database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `postgres://…`
    Postgres(SecretString),
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
        let url = url::Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        match url.scheme() {
            // libpq's own message would quote the URL with its password.
            "postgres" | "postgresql" if !is_percent_encoded(text) => {
                Err("contains a % that is not followed by two hexadecimal digits; write %25 for it".into())
            }
            "postgres" | "postgresql" => Ok(Self::Postgres(text.to_owned().into())),
            other => Err(format!("{other}:// is not supported; use postgres:// or sqlite://")),
        }
    }
}

/// The kind of a database and where it is, without its user and password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => match without_credentials(url.expose_secret()) {
                Some(place) => write!(f, "PostgreSQL {place}"),
                None => f.write_str("PostgreSQL"),
            },
            Self::Sqlite(path) => write!(f, "SQLite {}", path.display()),
        }
    }
}

/// Returns the hosts and the name of the database. None of a URL that is written such that part
/// of a password might be taken for them.
fn without_credentials(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    (!parameters.contains('@') && !place.is_empty()).then_some(place)
}

/// Returns whether each `%` begins the code of a byte other than 0.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let code = rest.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        code.is_some_and(|code| code != "00")
    })
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
            assert_eq!(DatabaseUrl::Postgres(url.into()).to_string(), shown);
        }
        assert_eq!(DatabaseUrl::Sqlite("a.sqlite3".into()).to_string(), "SQLite a.sqlite3");
    }
}
