//! An [`Installation`] is all instances that share one database. It names what they publish and
//! count in Redis, which other installations may use too: pub/sub knows no database numbers.
//!
//! The **mark** of an installation is a random text in its database. Instances take what has
//! their mark for their own, and ignore what has another.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::pool::Db;
use super::schema::installation;
use crate::error::{Error, Result};

/// All instances that share one database. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    mark: Arc<str>,
    prefix: Arc<str>,
}

/// The text is not a mark.
#[derive(Debug, thiserror::Error)]
#[error("the mark in the table `installation` is not 16 digits of lowercase hexadecimal")]
pub struct InvalidMark;

impl Installation {
    /// The bytes of a mark.
    pub const MARK_BYTES: usize = 16;

    /// Returns the installation with this mark. Its channels and keys in Redis begin with
    /// `prefix`, which may be empty.
    ///
    /// # Errors
    ///
    /// [`InvalidMark`] if the mark is not [`Installation::MARK_BYTES`] digits of lowercase
    /// hexadecimal.
    pub fn new(mark: &str, prefix: &str) -> std::result::Result<Self, InvalidMark> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if mark.len() == Self::MARK_BYTES && mark.bytes().all(is_digit) {
            Ok(Self { mark: mark.into(), prefix: prefix.into() })
        } else {
            Err(InvalidMark)
        }
    }

    /// Returns the mark.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Returns the name of a channel in Redis.
    pub fn channel<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() { name.into() } else { format!("{}{name}", self.prefix).into() }
    }

    /// Returns the name whose channel this is.
    pub fn name_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&*self.prefix)
    }

    /// Returns the name of a key in Redis.
    pub fn key(&self, kind: &str, name: impl fmt::Display) -> String {
        format!("{}{kind}:{}:{name}", self.prefix, self.mark)
    }
}

/// Returns the installation of a database, whose channels and keys in Redis begin with `prefix`.
///
/// # Errors
///
/// Those of the database; [`Error::Internal`] if its mark is not one.
pub async fn installation(db: &Db, prefix: &str) -> Result<Installation> {
    let query = |conn: &mut AnyConnection| {
        let mark: Option<String> = installation::table.select(installation::mark).first(conn).optional()?;
        mark.ok_or_else(|| Error::internal("the table `installation` has no row"))
    };
    let mark = db.read(query).await?;
    Installation::new(&mark, prefix).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::Installation;

    #[test]
    fn a_mark_is_sixteen_hexadecimal_digits() {
        assert!(Installation::new("0123456789abcdef", "").is_ok());
        for invalid in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcde\""] {
            assert!(Installation::new(invalid, "").is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_prefix_is_added_to_channels_and_keys_and_removed_again() {
        for (prefix, channel, key) in [
            ("", "user_7", "numeneon_limit:0123456789abcdef:a:7"),
            ("a.", "a.user_7", "a.numeneon_limit:0123456789abcdef:a:7"),
        ] {
            let Ok(installation) = Installation::new("0123456789abcdef", prefix) else { unreachable!() };
            assert_eq!(installation.channel("user_7"), channel);
            assert_eq!(installation.name_of(channel), Some("user_7"));
            assert_eq!(installation.key("numeneon_limit", "a:7"), key);
        }
    }
}
