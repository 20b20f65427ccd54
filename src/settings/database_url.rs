//! A [`DatabaseUrl`] locates a database, whose kind is given by the scheme.

use std::path::PathBuf;

use secrecy::SecretString;

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

/// Returns whether each `%` begins the code of a byte other than 0.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let code = rest.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        code.is_some_and(|code| code != "00")
    })
}
