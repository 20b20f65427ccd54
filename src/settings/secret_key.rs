//! The secret key signs every token. In cluster mode it is a setting; with SQLite alone it is
//! generated once and stored beside the database file, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::SecretString;

use super::database_url::DatabaseUrl;
use super::invalid_setting::InvalidSetting;
use super::place::Place;
use super::source::Source;

const NAME: &str = "SECRET_KEY";
const FALLBACKS: &str = "SECRET_KEY_FALLBACKS";

/// The minimum length but in standalone mode: that of the HS256 signature. A shorter key is easier to
/// guess than the signature.
const MIN_BYTES: usize = 32;

/// How a key begins that `django-admin startproject` wrote into a settings file, and with it
/// into a repository.
const PUBLIC_PREFIX: &str = "django-insecure-";

/// Returns the key that signs.
pub(super) fn read(
    source: &Source<'_>,
    database: &DatabaseUrl,
    place: Place,
) -> Result<SecretString, InvalidSetting> {
    match (source.optional(NAME), database) {
        (Some(key), _) => check(NAME, &key, place),
        (None, DatabaseUrl::Sqlite(path)) if !place.has_redis => {
            load_or_generate(&path.with_extension("secret")).map_err(|error| InvalidSetting::new(NAME, error))
        }
        (None, _) => Err(InvalidSetting::new(
            NAME,
            format!("is not set; with PostgreSQL or Redis it must be at least {MIN_BYTES} random bytes"),
        )),
    }
}

/// Returns the keys that signed before.
pub(super) fn fallbacks(source: &Source<'_>, place: Place) -> Result<Vec<SecretString>, InvalidSetting> {
    let given = source.optional(FALLBACKS).unwrap_or_default();
    let keys = given.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(|key| check(FALLBACKS, key, place)).collect()
}

/// Returns a key that is neither public nor too short for where the instance runs.
fn check(name: &'static str, key: &str, place: Place) -> Result<SecretString, InvalidSetting> {
    if key.starts_with(PUBLIC_PREFIX) && !place.is_loopback {
        let why = format!(
            "begins with {PUBLIC_PREFIX}: such a key is public, and whoever knows it can act as any user; \
             it is accepted only with a HOST that is loopback"
        );
        return Err(InvalidSetting::new(name, why));
    }
    if !place.is_standalone() && key.len() < MIN_BYTES {
        let why = format!(
            "has {} bytes; with PostgreSQL, Redis or a HOST that is not loopback it must have at least {MIN_BYTES}",
            key.len()
        );
        return Err(InvalidSetting::new(name, why));
    }
    Ok(key.into())
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
