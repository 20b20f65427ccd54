//! The secret key signs every token. A cluster is given one; a laptop makes one
//! once and keeps it beside the database file, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::SecretString;

use super::source::Source;
use super::{DatabaseUrl, Wrong};

const NAME: &str = "SECRET_KEY";

/// The least length, in bytes, where strangers can reach the service: that of the
/// HS256 signature, below which the key is the weaker part.
const LEAST_BYTES: usize = 32;

pub(super) fn read(source: &Source<'_>, database: &DatabaseUrl, laptop: bool) -> Result<SecretString, Wrong> {
    match (source.optional(NAME), database) {
        (Some(key), _) if laptop || key.len() >= LEAST_BYTES => Ok(key.into()),
        (Some(key), _) => Err(Wrong::new(
            NAME,
            format!(
                "has {} bytes, and at least {LEAST_BYTES} are needed with PostgreSQL or Redis",
                key.len()
            ),
        )),
        (None, DatabaseUrl::Sqlite(path)) if laptop => {
            keep(&path.with_extension("secret")).map_err(|error| Wrong::new(NAME, error))
        }
        (None, _) => Err(Wrong::new(
            NAME,
            format!(
                "is missing; with PostgreSQL or Redis it must be set, to at least {LEAST_BYTES} random bytes"
            ),
        )),
    }
}

/// Returns the key in the file, which is made if it is not there.
fn keep(path: &Path) -> Result<SecretString, String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let fresh = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    // `create_new` decides between two processes that start together.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(fresh.as_bytes()).map_err(named)?;
            file.sync_all().map_err(named)?;
            Ok(fresh.into())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let kept = fs::read_to_string(path).map_err(named)?;
            match kept.trim() {
                "" => Err(format!("{} is empty; delete it, and a new one is made", path.display())),
                key => Ok(key.into()),
            }
        }
        Err(error) => Err(named(error)),
    }
}
