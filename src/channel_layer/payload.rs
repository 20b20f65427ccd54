//! A [`Payload`] is what is carried: bytes that the layer does not look into, and beside
//! them where they come from.

use std::sync::Arc;

use bytes::Bytes;

use crate::telemetry::Origin;

/// What is carried to the subscriptions of a group. Cloning it copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What arrives as it was published.
    pub bytes: Bytes,
    /// Where it comes from, if its publisher says so.
    pub origin: Option<Arc<Origin>>,
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, origin: None }
    }
}
