//! [`Health`] is whether this process is alive, and whether it should be sent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use diesel::RunQueryDsl;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::channel_layer::ChannelLayer;
use crate::db::Db;
use crate::telemetry::Metrics;

/// How long the database may take to respond to a health check, which comes every few
/// seconds.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of this process and its dependencies. A cheap handle.
#[derive(Clone)]
pub struct Health {
    db: Db,
    layer: ChannelLayer,
    stopping: Arc<AtomicBool>,
}

impl Health {
    /// The health of a process with these dependencies.
    pub fn new(db: Db, layer: ChannelLayer) -> Self {
        Self { db, layer, stopping: Arc::default() }
    }

    /// Makes the process not ready until it ends.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns whether the process is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sets the gauges whose values are only known when they are read.
    pub fn update_gauges(&self, metrics: &Metrics) {
        let load = self.db.load();
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.channel_layer_whole.set(self.layer.is_healthy().into());
        metrics.database_up.set(self.db.is_up().into());
        metrics.database_connections_limit.set(count(load.limit));
        metrics.database_connections_open.set(count(load.open));
        metrics.database_connections_in_use.set(count(load.in_use));
        metrics.database_calls_waiting.set(count(load.waiting));
    }

    async fn database_responds(&self) -> bool {
        let probe = self.db.read(|conn| Ok(diesel::sql_query("SELECT 1").execute(conn)?));
        matches!(timeout(DATABASE_TIMEOUT, probe).await, Ok(Ok(_)))
    }
}

/// The name of the service.
#[derive(Serialize, ToSchema)]
struct Root {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "numeneon-backend")]
    service: &'static str,
}

/// That the process is alive.
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
    /// `ok` or `degraded`; in the latter case events may be late, and requests succeed.
    #[schema(example = "ok")]
    channel_layer: &'static str,
    /// Why the channel layer is degraded, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_layer_cause: Option<String>,
    /// Whether the process is stopping.
    stopping: bool,
}

/// Returns the name of the service.
#[utoipa::path(
    method(get, head),
    path = "/",
    tag = "health",
    security(()),
    responses((status = 200, description = "The service responds.", body = Root)),
)]
pub async fn root() -> HttpResponse {
    HttpResponse::Ok().json(Root { status: "ok", service: "numeneon-backend" })
}

/// Returns that the process is alive.
#[utoipa::path(
    method(get, head),
    path = "/healthz",
    tag = "health",
    security(()),
    responses((status = 200, description = "It is alive.", body = Alive)),
)]
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok" })
}

/// Returns whether the process should be sent requests: only the database and a stop keep it from
/// them.
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "It should.", body = Readiness),
        (status = 503, description = "It should not.", body = Readiness),
    ),
)]
pub async fn ready(health: Data<Health>) -> HttpResponse {
    let (stopping, degradation) = (health.is_stopping(), health.layer.degradation());
    let database = health.database_responds().await;
    // Without Redis events are late, and no request fails: an instance that left the load balancer
    // because of it would take all others with it.
    let is_ready = database && !stopping;
    let body = Readiness {
        status: if is_ready { "ready" } else { "unready" },
        database: if database { "ok" } else { "failing" },
        channel_layer: if degradation.is_none() { "ok" } else { "degraded" },
        channel_layer_cause: degradation,
        stopping,
    };
    let mut response = if is_ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(body)
}
