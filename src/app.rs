//! The [`App`] is one instance of the service, from start to a graceful stop.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::accounts::{Passwords, Tokens};
use crate::channel_layer::ChannelLayer;
use crate::db::{self, Db};
use crate::error::Cause;
use crate::events::Events;
use crate::health::Health;
use crate::limits::Limits;
use crate::notifications::socket::Sockets;
use crate::notifications::{Endings, PositionCheck, Roster};
use crate::retention::Retention;
use crate::server::{self, Bounds};
use crate::services::Callers;
use crate::settings::{Settings, Shutdown};
use crate::telemetry::Metrics;
use crate::{edge, listener, monitor, routes};

/// How long a socket that took nothing in its time is left to the session, which closes
/// it with 4008, before the kernel ends its connection.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long the server has to accept the connections that are complete already, and to
/// begin with them: milliseconds, or longer where other processes have the cores.
const ACCEPT_LIMIT: Duration = Duration::from_millis(500);

/// One instance of the service.
pub struct App {
    server: Server,
    /// The same socket as the server's, to shut its door before it is closed.
    listener: TcpListener,
    port: u16,
    monitor: Option<(Server, SocketAddr)>,
    health: Health,
    roster: Roster,
    shutdown: Shutdown,
    /// Dropping it ends them.
    tasks: JoinSet<()>,
}

impl App {
    /// Migrates the database, binds the port, and starts what runs beside requests.
    /// Must be called on a multi-threaded Tokio runtime, which carries it all.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached or migrated, or the port is taken.
    pub async fn build(settings: Settings) -> Result<Self, Cause> {
        let runtime = Handle::current();
        let database = settings.database.clone();
        let migrated = runtime.spawn_blocking(move || db::migrate(&database)).await??;
        if !migrated.is_empty() {
            tracing::info!(migrations = ?migrated, "migrated the database");
        }
        let metrics = Metrics::default();
        let db = Db::new(&settings.database, runtime.clone())?;
        let layer = match &settings.redis_url {
            Some(url) => ChannelLayer::redis(url, metrics.clone())?,
            None => ChannelLayer::memory(metrics.clone()),
        };
        let limits = Limits::start(
            settings.rates,
            settings.redis_url.as_ref(),
            &settings.secret_key,
            runtime.clone(),
            metrics.clone(),
        );
        let limits = limits.await?;
        let roster = Roster::new(settings.socket, metrics.clone());
        let health = Health::new(db.clone(), layer.clone());
        let listener = listener::bind(&settings.host, settings.port)?;
        let port = listener.local_addr()?.port();
        let monitor = monitor::serve(&settings.telemetry, &health, &metrics)?;
        let shutdown = settings.shutdown;
        let mut tasks = JoinSet::new();
        let check = PositionCheck::new(
            roster.clone(),
            layer.clone(),
            db.clone(),
            settings.position_check,
            metrics.clone(),
        );
        tasks.spawn(check.run());
        tasks.spawn(Endings::new(roster.clone(), layer.clone()).run());
        tasks.spawn(Retention::new(db.clone(), settings.inbox, metrics.clone()).run());
        tasks.spawn(roster.clone().ping_all(settings.socket));
        let server =
            serve(listener.try_clone()?, settings, db, layer, limits, &roster, &health, metrics, runtime)?;
        Ok(Self { server, listener, port, monitor, health, roster, shutdown, tasks })
    }

    /// Returns the port that is listened on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns where `/metrics` is served, if it is.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitor.as_ref().map(|(_, address)| *address)
    }

    /// Serves until `stop` is done, then stops gracefully: unready at once; then, for
    /// the stated times, goes on as before, closes sockets, and finishes requests.
    ///
    /// # Errors
    ///
    /// If the server ends by itself.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> Result<(), Cause> {
        let Self { server, listener, monitor, health, roster, shutdown, mut tasks, .. } = self;
        let handle: ServerHandle = server.handle();
        let mut serving = tokio::spawn(server);
        let monitor = monitor.map(|(server, _)| (server.handle(), tokio::spawn(server)));
        tokio::select! {
            ended = &mut serving => return Ok(ended??),
            () = stop => {}
        }
        tracing::info!("stopping: unready from now on");
        health.stop();
        sleep(shutdown.delay).await;
        tracing::info!(sockets = roster.count(), "stopping: closing sockets");
        roster.close_all(shutdown.spread).await;
        tracing::info!("stopping: finishing requests");
        listener::refuse_new_connections(&listener);
        drop(listener);
        sleep(ACCEPT_LIMIT).await;
        handle.stop(true).await;
        serving.await??;
        tasks.shutdown().await;
        // Last, so that the stop can be watched.
        if let Some((handle, watching)) = monitor {
            handle.stop(false).await;
            watching.await??;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

#[expect(clippy::too_many_arguments, reason = "the one place where all parts meet")]
fn serve(
    listener: TcpListener,
    settings: Settings,
    db: Db,
    layer: ChannelLayer,
    limits: Limits,
    roster: &Roster,
    health: &Health,
    metrics: Metrics,
    runtime: Handle,
) -> Result<Server, Cause> {
    let credentials = settings.credentials;
    let callers = Data::new(Callers::new(&settings.service_keys));
    let tokens = Data::new(Tokens::new(&settings.secret_key, &settings.secret_key_fallbacks, &credentials));
    let passwords = Data::new(Passwords::new(credentials.hashes_at_once, metrics.clone())?);
    let limits = Data::new(limits);
    let events = Events::new(db.clone(), layer.clone(), runtime, metrics.clone());
    let requests = Data::new(settings.requests);
    let health = Data::new(health.clone());
    let bounds = Bounds {
        workers: settings.workers,
        connections: settings.max_connections,
        stall: settings.socket.write_timeout + LAST_WORD,
        finish: settings.shutdown.requests,
    };
    let settings = Data::new(settings);
    let sockets = Data::new(Sockets {
        tokens: tokens.clone(),
        db: db.clone(),
        events: events.clone(),
        layer,
        limits: limits.clone(),
        roster: roster.clone(),
        settings: settings.clone(),
        metrics: metrics.clone(),
    });
    let (db, events, metrics) = (Data::new(db), Data::new(events), Data::new(metrics));
    let server = server::serve(listener, bounds, move || {
        actix_web::App::new()
            .app_data(settings.clone())
            .app_data(requests.clone())
            .app_data(db.clone())
            .app_data(tokens.clone())
            .app_data(callers.clone())
            .app_data(passwords.clone())
            .app_data(limits.clone())
            .app_data(events.clone())
            .app_data(health.clone())
            .app_data(sockets.clone())
            .app_data(metrics.clone())
            .wrap(from_fn(edge::pass))
            .configure(routes::configure)
    })?;
    Ok(server)
}
