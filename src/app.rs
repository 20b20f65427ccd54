//! The [`App`] is one instance of the service, from start to a graceful stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_web::web::Data;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::accounts::ReservedUsernames;
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
use crate::notifications::{Comparisons, ControlListener, PositionCheck, Roster, Shared};
use crate::operations::generation_watch::GenerationWatch;
use crate::operations::health::Health;
use crate::operations::instance_registry::{self, InstanceRegistry};
use crate::operations::metrics_server;
use crate::operations::retention::Retention;
use crate::server::{Bounds, descriptors, listener};
use crate::settings::{Database, Settings, Shutdown};
use crate::telemetry::Metrics;

/// How much longer than [`Socket::write_timeout`](crate::settings::Socket) the kernel leaves
/// a connection that takes nothing: the session closes it with 4008 first.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long the server has to accept the connections that are complete already, and to
/// begin with them: milliseconds, or longer where other processes have the cores.
const ACCEPT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a start waits until events are received through Redis: it takes milliseconds, and an
/// instance works without it.
const HEARING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a stop waits for the database and Redis to take note of it: the others only compare
/// positions once in vain if they do not.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// One instance of the service.
pub struct App {
    server: Server,
    /// The same socket as the server's, to refuse new connections before it is closed.
    listener: TcpListener,
    port: u16,
    metrics_server: Option<(Server, SocketAddr)>,
    health: Data<Health>,
    roster: Roster,
    layer: ChannelLayer,
    db: Db,
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
    pub async fn build(mut settings: Settings) -> Result<Self, BoxError> {
        let runtime = Handle::current();
        descriptors::fit(&mut settings);
        migrate_database(&settings).await?;
        tracing::info!(database = %settings.database.url, redis = settings.redis_url.is_some(), "starting");
        let redis_url = settings.redis_url.as_ref();
        let secret_key = &settings.auth.secret_key;
        let metrics = Metrics::default();
        let db = Db::new(&settings.database, runtime.clone())?;
        let installation = db::installation(&db, &settings.redis_prefix).await?;
        let layer = ChannelLayer::start(redis_url, &installation, metrics.clone())?;
        let (rates, tasks) = (settings.rates, runtime.clone());
        let limits = Limits::start(rates, redis_url, &installation, secret_key, tasks, metrics.clone());
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

        let tasks = start_tasks(&settings, &roster, layer.clone(), &db, &metrics);
        let bounds = bounds(&settings);
        let state = State {
            access: Data::new(settings.access),
            requests: Data::new(settings.requests),
            stories: Data::new(settings.stories),
            db: Data::new(db.clone()),
            messages: Data::new(BatchCommitter::new(events.clone())),
            announcements: Data::new(Announcements::new(&events)),
            events: Data::new(events),
            reserved_usernames: Data::new(ReservedUsernames::new(&settings.sign_ups)),
            limits: limits.into(),
            authenticator: authenticator.into(),
            service_keys: Data::new(ServiceKeys::new(&settings.service_keys)),
            sockets: Data::new(sockets),
            health: Data::new(health),
            metrics: Data::new(metrics),
            document: Data::new(Document::new(&routes::description())?),
            serves_demo: settings.demo,
            serves_docs: settings.docs,
        };
        // What a load balancer sends now reaches an instance that hears the others.
        let _ = timeout(HEARING_TIMEOUT, layer.healthy()).await;
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
            layer,
            db,
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
        let Self { server, listener, metrics_server, health, roster, layer, db, shutdown, mut tasks, .. } =
            self;
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
        if timeout(LEAVE_TIMEOUT, leave(&layer, &db)).await.is_err() {
            tracing::debug!("the other instances take this one for dead");
        }
        // Last, so that the stop can be observed.
        if let Some((handle, serving)) = metrics_server {
            handle.stop(false).await;
            serving.await??;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Lets the other instances know that this one stops as planned and has published everything.
async fn leave(layer: &ChannelLayer, db: &Db) {
    if let Err(error) = instance_registry::leave(layer, db).await {
        tracing::debug!(cause = %error, "the row of this instance is deleted later, by another one");
    }
    layer.leave().await;
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
    let comparisons = Comparisons::default();
    let check = PositionCheck::new(
        roster.clone(),
        layer.clone(),
        db.clone(),
        period,
        comparisons.clone(),
        metrics.clone(),
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(check.run());
    tasks.spawn(InstanceRegistry::new(layer.clone(), db.clone()).run());
    tasks.spawn(ControlListener::new(roster.clone(), layer, comparisons).run());
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
        keep_alive: settings.server.keep_alive,
        write_timeout: settings.socket.write_timeout + CLOSE_GRACE,
        shutdown_timeout: settings.shutdown.requests,
    }
}

/// Migrates the database before anything else is done.
async fn migrate_database(settings: &Settings) -> Result<(), BoxError> {
    let migrated = migrate(settings.database.clone()).await?;
    if !migrated.is_empty() {
        tracing::info!(migrations = ?migrated, "migrated the database");
    }
    Ok(())
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
