//! The secret key signs every token. In cluster mode it is a setting; in standalone mode it is
//! generated once and stored beside the database file, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::SecretString;

use super::database_url::DatabaseUrl;
use super::invalid_setting::InvalidSetting;
use super::source::Source;

const NAME: &str = "SECRET_KEY";
const FALLBACKS: &str = "SECRET_KEY_FALLBACKS";

/// The minimum length in cluster mode: that of the HS256 signature. A shorter key is easier to
/// guess than the signature.
const MIN_BYTES: usize = 32;

/// Returns the key that signs.
pub(super) fn read(
    source: &Source<'_>,
    database: &DatabaseUrl,
    is_standalone: bool,
) -> Result<SecretString, InvalidSetting> {
    match (source.optional(NAME), database) {
        (Some(key), _) if is_standalone || key.len() >= MIN_BYTES => Ok(key.into()),
        (Some(key), _) => Err(too_short(NAME, &key)),
        (None, DatabaseUrl::Sqlite(path)) if is_standalone => {
            load_or_generate(&path.with_extension("secret")).map_err(|error| InvalidSetting::new(NAME, error))
        }
        (None, _) => Err(InvalidSetting::new(
            NAME,
            format!("is not set; with PostgreSQL or Redis it must be at least {MIN_BYTES} random bytes"),
        )),
    }
}

/// Returns the keys that signed before.
pub(super) fn fallbacks(
    source: &Source<'_>,
    is_standalone: bool,
) -> Result<Vec<SecretString>, InvalidSetting> {
    let given = source.optional(FALLBACKS).unwrap_or_default();
    let keys = given.split(',').map(str::trim).filter(|key| !key.is_empty()).map(|key| {
        if is_standalone || key.len() >= MIN_BYTES { Ok(key.into()) } else { Err(too_short(FALLBACKS, key)) }
    });
    keys.collect()
}

fn too_short(name: &'static str, key: &str) -> InvalidSetting {
    InvalidSetting::new(
        name,
        format!("has {} bytes; with PostgreSQL or Redis it must have at least {MIN_BYTES}", key.len()),
    )
}

/// Returns the key in the file, which is created if it does not exist.
///
/// The file is created with the key already in it, so that a process that starts at the same
/// time, or after a crash, finds a complete key or none.
fn load_or_generate(path: &Path) -> Result<SecretString, String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        let draft = path.with_extension(format!("{}.secret", uuid::Uuid::new_v4().simple()));
        let created = create(&draft).and_then(|()| fs::hard_link(&draft, path));
        // The draft is removed in either case.
        let _ = fs::remove_file(&draft);
        match created {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(named(error)),
            _ => {}
        }
    }
    let stored = fs::read_to_string(path).map_err(named)?;
    match stored.trim() {
        "" => Err(format!("{} is empty; delete it to have a new one generated", path.display())),
        key => Ok(key.into()),
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()
}
