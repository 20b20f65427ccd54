//! Traces go to a collector by OTLP: spans that have ended wait in a bounded queue for a
//! thread of their own, which sends them in batches.
//!
//! Nobody ever waits for the collector. While it is away, or slower than spans come, they
//! are dropped, and the log says so when it begins and when it is over.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};

use secrecy::ExposeSecret;

use crate::error::BoxError;
use crate::settings::Telemetry;

/// Spans that may wait to be sent: a second's worth of a busy instance, and some 8 MB at
/// most. When it is full, further ones are dropped.
const MOST_SPANS_WAITING: usize = 8_192;

/// Spans in one request to the collector at most.
const BATCH: usize = 512;

/// How long a span waits for others to go with it.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// How long the collector may take for a batch. Then it is dropped, or spans would be
/// kept waiting for longer than the queue has room for.
const EXPORT_LIMIT: Duration = Duration::from_secs(3);

/// How long the end of the process waits for the last spans.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Makes spans; of the process, as its log is.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends what is still to be sent when it is dropped, for two seconds at most.
#[must_use = "the last spans are lost without it"]
pub struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        // What could not be sent in time is lost; the library's log line says so.
        let _ = self.0.shutdown_with_timeout(FLUSH_LIMIT);
    }
}

/// Makes spans from now on, if the settings name a collector. Must not be called within
/// a runtime: its client has one of its own.
///
/// # Errors
///
/// If the exporter or its client cannot be made: one line that names the setting.
pub fn export_traces(settings: &Telemetry) -> Result<Option<Traces>, BoxError> {
    let Some(settings) = &settings.traces else { return Ok(None) };
    // Fails only if there is one already. Without it the client would not start.
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Neither a proxy of the environment nor another place that the collector names.
    let client = reqwest::blocking::Client::builder()
        .timeout(EXPORT_LIMIT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let client = client.map_err(|error| format!("OTLP_ENDPOINT: no client for it: {error}"))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(settings.endpoint.expose_secret())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_LIMIT)
        // The next batch comes soon enough to try it.
        .with_retry_policy(RetryPolicy::disabled())
        .build();
    let exporter = exporter.map_err(|error| format!("OTLP_ENDPOINT: {error}"))?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(MOST_SPANS_WAITING)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(BATCH_DELAY)
        .build();
    let instance = uuid::Uuid::new_v4().to_string();
    // Not the whole URL: some collectors have a token in its path.
    tracing::info!(collector = settings.collector, service.instance.id = instance, "exporting traces");
    let resource = Resource::builder_empty().with_service_name("numeneon").with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance),
    ]);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::new(Watched { exporter, lost: AtomicU64::new(0) }, config))
        // Who has begun a trace has decided for all of it.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
        .with_resource(resource.build())
        .build();
    // Fails only if there is one already.
    let _ = TRACER.set(provider.tracer("numeneon"));
    Ok(Some(Traces(provider)))
}

/// Returns what makes spans, if traces are exported.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// An exporter whose failures are logged once each time that they begin.
#[derive(Debug)]
struct Watched {
    exporter: opentelemetry_otlp::SpanExporter,
    /// Spans that the collector has not taken, since it last took some.
    lost: AtomicU64,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::info!(spans.lost = lost, "the collector takes spans again");
                }
            }
            Err(error) => {
                if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 {
                    tracing::warn!(cause = %error, "the collector takes no spans; they are dropped");
                }
            }
        }
        // The library would log each failure.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
