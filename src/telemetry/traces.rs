//! Traces go to a collector by OTLP: spans that have ended are put into a bounded queue, from
//! which a thread of their own sends them in batches.
//!
//! No request waits for the collector. While it is unavailable, or slower than spans end,
//! spans are dropped, which is logged when it begins and when it is over.

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

/// The most spans that are queued: a second's worth of a busy instance, and some 8 MB. When
/// the queue is full, further spans are dropped.
const MAX_QUEUED_SPANS: usize = 8_192;

/// The most spans in one request to the collector.
const BATCH: usize = 512;

/// How long a span waits for others to fill a batch.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// How long the collector may take for a batch, which is dropped then: the queue holds no more
/// than the spans of about that time.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the process waits for the last spans when it ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Creates spans. It belongs to the process, as the log does.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends the queued spans when it is dropped, for two seconds at most.
#[must_use = "the last spans are lost without it"]
pub struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        // Spans that could not be sent in time are lost; the library logs that.
        let _ = self.0.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

/// Records and exports spans from now on, if the settings name a collector. Must not be
/// called within a Tokio runtime: its client has one of its own.
///
/// # Errors
///
/// If the exporter or its client cannot be built: one line that names the setting.
pub fn export_traces(settings: &Telemetry) -> Result<Option<Traces>, BoxError> {
    let Some(settings) = &settings.traces else { return Ok(None) };
    // Fails only if one is installed already. Without one the client would not start.
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Neither a proxy of the environment nor a redirect of the collector is followed.
    let client = reqwest::blocking::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let client = client.map_err(|error| format!("OTLP_ENDPOINT: HTTP client not built: {error}"))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(settings.endpoint.expose_secret())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        // The next batch is sent soon enough.
        .with_retry_policy(RetryPolicy::disabled())
        .build();
    let exporter = exporter.map_err(|error| format!("OTLP_ENDPOINT: {error}"))?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(MAX_QUEUED_SPANS)
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
        // The process that began a trace has decided for all of its spans.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
        .with_resource(resource.build())
        .build();
    // Fails only if there is a tracer already.
    let _ = TRACER.set(provider.tracer("numeneon"));
    Ok(Some(Traces(provider)))
}

/// Returns the tracer, if traces are exported.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// An exporter that logs when its failures begin and when they end.
#[derive(Debug)]
struct Watched {
    exporter: opentelemetry_otlp::SpanExporter,
    /// Spans that were dropped since the collector last accepted some.
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
        // The library would log each failure that it is given.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
