//! A [`Group`] names a set of subscriptions. Its name is the same in every process.

use std::fmt;
use std::sync::Arc;

use crate::ids::UserId;

/// The name of a group; in Redis, the name of its channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(Arc<str>);

/// The text is not a valid group name.
#[derive(Debug, thiserror::Error)]
#[error("a group's name is 1 to 99 letters, digits, '_', '-' or '.'")]
pub struct InvalidName;

impl Group {
    /// Returns the group of all sockets of one user, `user_<id>`.
    pub fn user(id: UserId) -> Self {
        Self(format!("user_{id}").into())
    }

    /// Returns the group of all instances, for messages to every one of them.
    pub fn instances() -> Self {
        Self("numeneon_instances".into())
    }

    /// Parses a name. The rule is that of the backend which this service replaces.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if it is empty, over 99 bytes, or has other characters.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (1..100).contains(&name.len()) && name.bytes().all(valid) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName)
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name alone is enough to look up a group in a table.
impl std::borrow::Borrow<str> for Group {
    fn borrow(&self) -> &str {
        &self.0
    }
}
