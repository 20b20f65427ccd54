//! The [`App`] is one instance of the service, from start to a graceful stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_web::web::Data;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::openapi::document::Document;
use crate::api::state::State;
use crate::api::{self, routes};
use crate::auth::Authenticator;
use crate::channel_layer::ChannelLayer;
use crate::db::{self, Db};
use crate::error::BoxError;
use crate::events::{BatchCommitter, Events};
use crate::integrations::{Announcements, ServiceKeys};
use crate::limits::Limits;
use crate::notifications::socket::Sockets;
use crate::notifications::{PositionCheck, RevocationListener, Roster, Shared};
use crate::operations::generation_watch::GenerationWatch;
use crate::operations::health::Health;
use crate::operations::metrics_server;
use crate::operations::retention::Retention;
use crate::server::{Bounds, listener};
use crate::settings::{Database, Settings, Shutdown};
use crate::telemetry::Metrics;

/// How much longer than [`Socket::write_timeout`](crate::settings::Socket) the kernel leaves
/// a connection that takes nothing: the session closes it with 4008 first.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long the server has to accept the connections that are complete already, and to
/// begin with them: milliseconds, or longer where other processes have the cores.
const ACCEPT_TIMEOUT: Duration = Duration::from_millis(500);

/// One instance of the service.
pub struct App {
    server: Server,
    /// The same socket as the server's, to refuse new connections before it is closed.
    listener: TcpListener,
    port: u16,
    metrics_server: Option<(Server, SocketAddr)>,
    health: Data<Health>,
    roster: Roster,
    shutdown: Shutdown,
    /// Dropping it ends them.
    tasks: JoinSet<()>,
}

impl App {
    /// Migrates the database, binds the port, and starts every part of the service.
    /// Must be called on a multi-threaded Tokio runtime, which carries it all.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or migrated, or the port is in use.
    pub async fn build(settings: Settings) -> Result<Self, BoxError> {
        let runtime = Handle::current();
        let migrated = migrate(settings.database.clone()).await?;
        if !migrated.is_empty() {
            tracing::info!(migrations = ?migrated, "migrated the database");
        }
        let redis_url = settings.redis_url.as_ref();
        let secret_key = &settings.auth.secret_key;
        let metrics = Metrics::default();
        let db = Db::new(&settings.database, runtime.clone())?;
        let layer = ChannelLayer::start(redis_url, metrics.clone())?;
        let limits = Limits::start(settings.rates, redis_url, secret_key, runtime.clone(), metrics.clone());
        let limits = Arc::new(limits.await?);
        let events = Events::new(db.clone(), layer.clone(), runtime, metrics.clone());
        let authenticator =
            Authenticator::start(&settings.auth, db.clone(), events.clone(), limits.clone(), metrics.clone());
        let authenticator = Arc::new(authenticator?);
        let roster = Roster::new(settings.socket, metrics.clone());
        let sockets = Sockets {
            authenticator: authenticator.clone(),
            layer: layer.clone(),
            limits: limits.clone(),
            roster: roster.clone(),
            allowed_origins: settings.access.socket_origins.as_slice().into(),
            shared: Arc::new(Shared::new(db.clone(), settings.socket, metrics.clone())),
        };
        let health = Health::new(db.clone(), layer.clone());

        let tasks = start_tasks(&settings, &roster, layer, &db, &metrics);
        let bounds = bounds(&settings);
        let state = State {
            access: Data::new(settings.access),
            requests: Data::new(settings.requests),
            db: Data::new(db),
            messages: Data::new(BatchCommitter::new(events.clone())),
            announcements: Data::new(Announcements::new(&events)),
            events: Data::new(events),
            limits: limits.into(),
            authenticator: authenticator.into(),
            service_keys: Data::new(ServiceKeys::new(&settings.service_keys)),
            sockets: Data::new(sockets),
            health: Data::new(health),
            metrics: Data::new(metrics),
            document: Data::new(Document::new(&routes::description())?),
            serves_demo: settings.demo,
        };
        let listener = listener::bind(&settings.server.host, settings.server.port)?;
        let port = listener.local_addr()?.port();
        let metrics_server = metrics_server::serve(&settings.telemetry, &state.health, &state.metrics)?;
        let health = state.health.clone();
        let server = api::serve(listener.try_clone()?, bounds, state)?;
        Ok(Self {
            server,
            listener,
            port,
            metrics_server,
            health,
            roster,
            shutdown: settings.shutdown,
            tasks,
        })
    }

    /// Returns the port that is listened on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address of `/metrics`, if it is served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_server.as_ref().map(|(_, address)| *address)
    }

    /// Serves until `stop` is done, then stops gracefully: it is not ready from then on,
    /// serves on for the delay, closes sockets over the spread, and finishes requests.
    ///
    /// # Errors
    ///
    /// Those of the server, if one ends it.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> Result<(), BoxError> {
        let Self { server, listener, metrics_server, health, roster, shutdown, mut tasks, .. } = self;
        let handle: ServerHandle = server.handle();
        let mut serving = tokio::spawn(server);
        let metrics_server = metrics_server.map(|(server, _)| (server.handle(), tokio::spawn(server)));
        tokio::select! {
            ended = &mut serving => return Ok(ended??),
            () = stop => {}
        }
        tracing::info!("stopping: no longer ready");
        health.stop();
        sleep(shutdown.delay).await;
        tracing::info!(sockets = roster.count(), "stopping: closing sockets");
        roster.close_all(shutdown.spread).await;
        tracing::info!("stopping: finishing requests");
        listener::drop_new_connections(&listener);
        drop(listener);
        sleep(ACCEPT_TIMEOUT).await;
        handle.stop(true).await;
        serving.await??;
        tasks.shutdown().await;
        // Last, so that the stop can be observed.
        if let Some((handle, serving)) = metrics_server {
            handle.stop(false).await;
            serving.await??;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Starts the tasks that run beside requests.
fn start_tasks(
    settings: &Settings,
    roster: &Roster,
    layer: ChannelLayer,
    db: &Db,
    metrics: &Metrics,
) -> JoinSet<()> {
    let period = settings.position_check;
    let check = PositionCheck::new(roster.clone(), layer.clone(), db.clone(), period, metrics.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(check.run());
    tasks.spawn(RevocationListener::new(roster.clone(), layer).run());
    tasks.spawn(GenerationWatch::new(db.clone()).run());
    tasks.spawn(Retention::new(db.clone(), settings.inbox, metrics.clone()).run());
    tasks.spawn(roster.clone().ping_all());
    tasks
}

/// Returns the bounds of the server.
fn bounds(settings: &Settings) -> Bounds {
    Bounds {
        workers: settings.server.workers,
        connections: settings.server.max_connections,
        write_timeout: settings.socket.write_timeout + CLOSE_GRACE,
        shutdown_timeout: settings.shutdown.requests,
    }
}

/// Migrates the database on a thread of its own, and returns the names of the migrations.
///
/// Must be called on a Tokio runtime.
///
/// # Errors
///
/// As [`db::migrate`].
pub async fn migrate(database: Database) -> Result<Vec<String>, BoxError> {
    Handle::current().spawn_blocking(move || db::migrate(&database)).await?
}
