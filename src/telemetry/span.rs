//! A [`Span`] is one step in handling a request, from its creation until it is dropped. The
//! spans of a request are its trace, up to the delivery on another instance.
//!
//! Spans are recorded only if traces are [exported](super::traces::export_traces), and only
//! for work that a request has caused. A span holds route patterns, numbers and ids of
//! requests: no path, no name, nothing of a body.

use std::borrow::Cow;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};

use super::origin::Origin;
use super::request_id::RequestId;
use super::trace_parent::TraceParent;
use super::traces::tracer;
use crate::error::{Error, Result};

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// A step in handling a request, if its trace is recorded.
///
/// Each idle socket has a field for one, so it is one pointer.
#[must_use = "a span ends when it is dropped"]
pub struct Span(Option<Box<opentelemetry_sdk::trace::Span>>);

impl Span {
    /// Returns no span.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Begins the span of a request. `given` reads the parent from its headers, and is called
    /// only if traces are exported.
    pub fn of_request(id: &RequestId, given: impl FnOnce() -> Option<TraceParent>) -> Self {
        if tracer().is_none() {
            return Self(None);
        }
        Self::begin("request", SpanKind::Server, given(), vec![request_id(id)])
    }

    /// Begins a step that waits for the database, within the request that the running task
    /// serves.
    pub fn step(name: &'static str) -> Self {
        Self::caused(name, SpanKind::Client, Self::current(), Vec::new)
    }

    /// Begins the publication of this many payloads, which the parent has caused.
    pub fn publication(parent: Option<TraceParent>, payloads: usize) -> Self {
        let count = i64::try_from(payloads).unwrap_or(i64::MAX);
        Self::caused("publish", SpanKind::Producer, parent, || vec![KeyValue::new("payloads", count)])
    }

    /// Begins the delivery to one socket of a payload of this origin.
    pub fn delivery(origin: Option<&Origin>) -> Self {
        let id = origin.and_then(|origin| origin.request_id.as_ref());
        let parent = origin.and_then(|origin| origin.trace_parent);
        Self::caused("deliver", SpanKind::Consumer, parent, || id.map(request_id).into_iter().collect())
    }

    /// Returns this span as the parent of others, if it is recorded.
    pub fn parent(&self) -> Option<TraceParent> {
        let context = self.0.as_ref()?.span_context();
        let trace_id = u128::from_be_bytes(context.trace_id().to_bytes());
        let span_id = u64::from_be_bytes(context.span_id().to_bytes());
        Some(TraceParent { trace_id, span_id, is_sampled: true })
    }

    /// Returns the span of the request that the running task serves, if it is recorded.
    pub fn current() -> Option<TraceParent> {
        CURRENT.try_with(|parent| *parent).ok()
    }

    /// Runs a future within the parent: its steps become children of it.
    pub async fn within<F: Future>(parent: Option<TraceParent>, future: F) -> F::Output {
        match parent {
            Some(parent) => CURRENT.scope(parent, future).await,
            None => future.await,
        }
    }

    /// Records the response to a request, and ends its span.
    pub fn responded(mut self, method: &'static str, route: &str, status: u16) {
        let Some(span) = &mut self.0 else { return };
        span.update_name(format!("{method} {route}"));
        span.set_attribute(KeyValue::new("http.request.method", method));
        span.set_attribute(KeyValue::new("http.route", route.to_owned()));
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
    }

    /// Records whether the result is a fault of the server. Its cause is in the log.
    pub fn record<T>(&mut self, result: &Result<T>) {
        let is_fault = matches!(result, Err(Error::Unavailable(_) | Error::Locked(_) | Error::Internal(_)));
        if let Some(span) = self.0.as_mut().filter(|_| is_fault) {
            span.set_status(Status::error(""));
        }
    }

    /// Ends the span.
    pub fn end(self) {}

    /// Begins a span if there is a parent: a step outside of any request is not recorded.
    fn caused(
        name: &'static str,
        kind: SpanKind,
        parent: Option<TraceParent>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        if parent.is_none() {
            return Self(None);
        }
        Self::begin(name, kind, parent, attributes())
    }

    fn begin(
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<TraceParent>,
        attributes: Vec<KeyValue>,
    ) -> Self {
        let Some(tracer) = tracer() else { return Self(None) };
        // Only these have a parent in another process.
        let is_remote = matches!(kind, SpanKind::Server | SpanKind::Consumer);
        let context = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(SpanContext::new(
                parent.trace_id.into(),
                parent.span_id.into(),
                TraceFlags::default().with_sampled(parent.is_sampled),
                is_remote,
                TraceState::NONE,
            ))
        });
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = builder.start_with_context(tracer, &context);
        // Children of a span that is not recorded need not begin either.
        Self(span.is_recording().then(|| Box::new(span)))
    }
}

fn request_id(id: &RequestId) -> KeyValue {
    KeyValue::new("request.id", id.as_str().to_owned())
}
