//! A [`Payload`] is what the layer carries: bytes that it does not read, and beside them
//! their origin.

use std::sync::Arc;

use bytes::Bytes;

use crate::telemetry::Origin;

/// What is carried to the subscriptions of a group. Cloning it copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The bytes, which arrive as they were published.
    pub bytes: Bytes,
    /// The request and commit that caused it. A payload that arrives has one if an instance of
    /// this installation published it; what another service published has none.
    pub origin: Option<Arc<Origin>>,
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, origin: None }
    }
}
