//! The spans of calls to the database, each of the request that waits for it.

use crate::error::Result;
use crate::telemetry::Span;

/// Waits for a read within its span.
pub(super) async fn read_span<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    within(Span::step("database read"), call).await
}

/// Waits for a transaction within its span.
pub async fn transaction_span<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    within(Span::step("database transaction"), call).await
}

async fn within<T>(mut span: Span, call: impl Future<Output = Result<T>>) -> Result<T> {
    let result = call.await;
    span.record(&result);
    result
}
