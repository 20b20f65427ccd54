//! The secret key signs every token. A cluster is given one; in standalone mode one
//! is created once and stored beside the database file, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::SecretString;

use super::source::Source;
use super::{DatabaseUrl, InvalidSetting};

const NAME: &str = "SECRET_KEY";
const FALLBACKS: &str = "SECRET_KEY_FALLBACKS";

/// The least length, in bytes, where strangers can reach the service: that of the
/// HS256 signature, below which the key is the weaker part.
const LEAST_BYTES: usize = 32;

pub(super) fn read(
    source: &Source<'_>,
    database: &DatabaseUrl,
    is_standalone: bool,
) -> Result<SecretString, InvalidSetting> {
    match (source.optional(NAME), database) {
        (Some(key), _) if is_standalone || key.len() >= LEAST_BYTES => Ok(key.into()),
        (Some(key), _) => Err(too_short(NAME, &key)),
        (None, DatabaseUrl::Sqlite(path)) if is_standalone => {
            keep(&path.with_extension("secret")).map_err(|error| InvalidSetting::new(NAME, error))
        }
        (None, _) => Err(InvalidSetting::new(
            NAME,
            format!(
                "is missing; with PostgreSQL or Redis it must be set, to at least {LEAST_BYTES} random bytes"
            ),
        )),
    }
}

/// Returns the keys that signed before, divided by commas.
pub(super) fn fallbacks(
    source: &Source<'_>,
    is_standalone: bool,
) -> Result<Vec<SecretString>, InvalidSetting> {
    let given = source.optional(FALLBACKS).unwrap_or_default();
    let keys = given.split(',').map(str::trim).filter(|key| !key.is_empty()).map(|key| {
        if is_standalone || key.len() >= LEAST_BYTES {
            Ok(key.into())
        } else {
            Err(too_short(FALLBACKS, key))
        }
    });
    keys.collect()
}

fn too_short(name: &'static str, key: &str) -> InvalidSetting {
    InvalidSetting::new(
        name,
        format!("has {} bytes, and at least {LEAST_BYTES} are needed with PostgreSQL or Redis", key.len()),
    )
}

/// Returns the key in the file, which is made if it is not there.
///
/// The file appears with the key already in it, so that a process that starts at the
/// same time, or after a crash in between, finds a whole key or none.
fn keep(path: &Path) -> Result<SecretString, String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        let draft = path.with_extension(format!("{}.secret", uuid::Uuid::new_v4().simple()));
        let made = make(&draft).and_then(|()| fs::hard_link(&draft, path));
        // Whether it was made or not, the draft goes.
        let _ = fs::remove_file(&draft);
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(named(error)),
            _ => {}
        }
    }
    let kept = fs::read_to_string(path).map_err(named)?;
    match kept.trim() {
        "" => Err(format!("{} is empty; delete it, and a new one is made", path.display())),
        key => Ok(key.into()),
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()
}
