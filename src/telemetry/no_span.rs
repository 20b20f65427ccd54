//! What stands for the spans of `span.rs` in a build without the feature `otlp`: nothing.
//! The compiler leaves nothing of it either.

use super::{Origin, RequestId, TraceParent};
use crate::error::Result;

/// A step of a request's way, of which nothing is told.
#[must_use = "it lasts for as long as it is held"]
pub struct Span;

impl Span {
    /// None begins.
    pub const fn none() -> Self {
        Self
    }

    /// None begins.
    pub fn of_request(_: &RequestId, _: impl FnOnce() -> Option<TraceParent>) -> Self {
        Self
    }

    /// None begins.
    pub const fn step(_: &'static str) -> Self {
        Self
    }

    /// None begins.
    pub const fn publication(_: Option<TraceParent>, _: usize) -> Self {
        Self
    }

    /// None begins.
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

    /// Notes nothing.
    pub const fn responded(self, _: &'static str, _: &str, _: u16) {}

    /// Notes nothing.
    pub const fn note<T>(&mut self, _: &Result<T>) {}

    /// Ends nothing.
    pub const fn end(self) {}
}
