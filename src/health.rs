//! Health: whether this process lives, whether it should be sent requests, and what
//! it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use diesel::RunQueryDsl;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::channel_layer::ChannelLayer;
use crate::db::Db;
use crate::error::body::Detail;
use crate::error::{Error, Result};
use crate::secret;
use crate::telemetry::Metrics;

/// How long the database may take to answer a probe, which comes every few seconds.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// What readiness is told from. A cheap handle.
#[derive(Clone)]
pub struct Health {
    db: Db,
    layer: ChannelLayer,
    metrics: Metrics,
    metrics_token: Option<SecretString>,
    stopping: Arc<AtomicBool>,
}

impl Health {
    /// The health of a process that stands on these.
    pub fn new(db: Db, layer: ChannelLayer, metrics: Metrics, metrics_token: Option<SecretString>) -> Self {
        Self { db, layer, metrics, metrics_token, stopping: Arc::default() }
    }

    /// Makes the process unready for good.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns whether the process is about to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    async fn database_answers(&self) -> bool {
        let probe = self.db.read(|conn| Ok(diesel::sql_query("SELECT 1").execute(conn)?));
        matches!(timeout(PROBE_LIMIT, probe).await, Ok(Ok(_)))
    }
}

/// Who answers.
#[derive(Serialize, ToSchema)]
struct Root {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "numeneon-backend")]
    service: &'static str,
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process should be sent requests, and why not.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ready` or `unready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    database: &'static str,
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    channel_layer: &'static str,
    /// Whether the process is about to end.
    stopping: bool,
}

/// Says who answers.
#[utoipa::path(
    get,
    path = "/",
    tag = "health",
    security(()),
    responses((status = 200, description = "The service answers.", body = Root)),
)]
pub async fn root() -> HttpResponse {
    HttpResponse::Ok().json(Root { status: "ok", service: "numeneon-backend" })
}

/// Says that the process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    security(()),
    responses((status = 200, description = "It lives.", body = Alive)),
)]
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok" })
}

/// Says whether the process should be sent requests.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It should.", body = Readiness),
        (status = 503, description = "It should not.", body = Readiness),
    ),
)]
pub async fn ready(health: Data<Health>) -> HttpResponse {
    let word = |good| if good { "ok" } else { "failing" };
    let (stopping, redis) = (health.is_stopping(), health.layer.is_whole());
    let database = health.database_answers().await;
    let good = database && redis && !stopping;
    let body = Readiness {
        status: if good { "ready" } else { "unready" },
        database: word(database),
        channel_layer: word(redis),
        stopping,
    };
    let mut answer = if good { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(body)
}

/// Answers what is counted, to whoever has the token.
///
/// # Errors
///
/// 404 without the right token, and if none is set.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    description = "Without the right token there is no such path.",
    security(("metrics" = [])),
    responses(
        (status = 200, description = "In OpenMetrics' form.", body = String, content_type = "application/openmetrics-text"),
        (status = 404, description = "No token, a wrong one, or none is set.", body = Detail),
    ),
)]
pub async fn metrics(request: HttpRequest, health: Data<Health>) -> Result<HttpResponse> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let right = health
        .metrics_token
        .as_ref()
        .is_some_and(|token| secret::same(token.expose_secret().as_bytes(), given.as_bytes()));
    if !right {
        return Err(Error::unknown_path());
    }
    let (used, size) = health.db.load();
    health.metrics.database_connections.set(used as f64 / size.max(1) as f64);
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(health.metrics.text()))
}
