//! A [`RequestKey`] is what is stored of a request with a key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::ids::UserId;

/// Who makes a request. Each has keys of their own.
#[derive(Clone, Copy, Debug)]
pub enum Requester<'a> {
    /// A user.
    User(UserId),
    /// Another backend, by its name, which has no `/`.
    Integration(&'a str),
}

impl fmt::Display for Requester<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user/{}", id.number()),
            Self::Integration(name) => f.write_str(name),
        }
    }
}

/// The key of a request, and by what the request is recognized when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    requester: String,
    key: String,
    fingerprint: String,
}

impl RequestKey {
    /// Returns the key of a request that consists of these parts.
    pub(super) fn new(requester: &Requester<'_>, key: String, parts: &impl Serialize) -> Result<Self> {
        let whole = serde_json::to_vec(parts).map_err(Error::internal)?;
        let fingerprint = STANDARD_NO_PAD.encode(Sha256::digest(whole));
        Ok(Self { requester: requester.to_string(), key, fingerprint })
    }

    /// Returns who makes the request.
    pub fn requester(&self) -> &str {
        &self.requester
    }

    /// Returns the key as the client gave it.
    pub fn text(&self) -> &str {
        &self.key
    }

    /// Returns the digest of the request.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the primary key under which it is stored.
    pub(super) fn name(&self) -> (&str, &str) {
        (&self.requester, &self.key)
    }

    /// Returns how many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.requester.len() + self.key.len() + self.fingerprint.len()
    }
}
