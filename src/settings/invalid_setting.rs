//! An [`InvalidSetting`] ends the start of the service.

use std::fmt;

/// What is wrong with a setting: one line, which names it.
#[derive(Debug)]
pub struct InvalidSetting {
    name: &'static str,
    reason: String,
}

impl InvalidSetting {
    /// Returns the error about the setting of this name.
    pub(super) fn new(name: &'static str, reason: impl fmt::Display) -> Self {
        Self { name, reason: reason.to_string().replace('\n', " ") }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for InvalidSetting {}
