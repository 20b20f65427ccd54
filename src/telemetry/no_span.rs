//! The [`Span`] of a build without the feature `otlp`. It has the interface of the one in
//! `span.rs`, does nothing, and costs nothing.

use super::origin::Origin;
use super::request_id::RequestId;
use super::trace_parent::TraceParent;
use crate::error::Result;

/// A step in handling a request, which is not recorded.
#[must_use = "a span ends when it is dropped"]
pub struct Span;

impl Span {
    /// Returns no span.
    pub const fn none() -> Self {
        Self
    }

    /// Returns no span.
    pub fn of_request(_: &RequestId, _: impl FnOnce() -> Option<TraceParent>) -> Self {
        Self
    }

    /// Returns no span.
    pub const fn step(_: &'static str) -> Self {
        Self
    }

    /// Returns no span.
    pub const fn publication(_: Option<TraceParent>, _: usize) -> Self {
        Self
    }

    /// Returns no span.
    pub const fn delivery(_: Option<&Origin>) -> Self {
        Self
    }

    /// Returns nothing.
    pub const fn parent(&self) -> Option<TraceParent> {
        None
    }

    /// Returns nothing.
    pub const fn current() -> Option<TraceParent> {
        None
    }

    /// Returns the future itself.
    pub const fn within<F: Future>(_: Option<TraceParent>, future: F) -> F {
        future
    }

    /// Records nothing.
    pub const fn responded(self, _: &'static str, _: &str, _: u16) {}

    /// Records nothing.
    pub const fn record<T>(&mut self, _: &Result<T>) {}

    /// Ends nothing.
    pub const fn end(self) {}
}
