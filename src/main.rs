//! `numeneon` serves, `numeneon migrate` migrates, `numeneon deactivate` closes an
//! account, `numeneon lift-numbers` follows a restore, `numeneon healthy` checks the instance on
//! this machine, `numeneon --help` lists the settings.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use numeneon::app::{self, App};
use numeneon::error::BoxError;
use numeneon::operations::admin;
use numeneon::settings::{self, Settings};
use numeneon::telemetry;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => serve(),
        ["migrate"] => migrate(),
        ["deactivate", username] => set_active(username, false),
        ["reactivate", username] => set_active(username, true),
        ["lift-numbers"] => lift_numbers(),
        ["healthy"] => healthy(),
        ["--help" | "-h" | "help"] => print(&settings::help()),
        ["--version" | "-V"] => print(concat!("numeneon ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => Err(format!("unknown arguments: {}; see numeneon --help", arguments.join(" ")).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed, which changes nothing about the outcome.
            let _ = writeln!(std::io::stderr(), "numeneon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), BoxError> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn serve() -> Result<(), BoxError> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    #[cfg(feature = "otlp")]
    let _traces = telemetry::export_traces(&settings.telemetry)?;
    let host = settings.server.host.clone();
    let runtime = runtime()?;
    let Some(app) = unless_stopped(&runtime, App::build(settings))? else {
        tracing::info!("stopped during the start");
        // Without waiting for what the start was waiting for.
        runtime.shutdown_background();
        return Ok(());
    };
    let outcome = runtime.block_on(async move {
        let mut signals = Signals::new()?;
        tracing::info!(address = %format!("http://{host}:{}", app.port()), "serving");
        if let Some(address) = app.metrics_address() {
            tracing::info!(metrics.address = %address, "serving metrics");
        }
        let (first, stop) = oneshot::channel();
        let (second, abort) = oneshot::channel();
        tokio::spawn(async move {
            for signalled in [first, second] {
                signals.next().await;
                // The receiver may have ended meanwhile.
                let _ = signalled.send(());
            }
        });
        let stop = async move {
            let _ = stop.await;
        };
        tokio::select! {
            ended = app.run_until_stopped(stop) => ended,
            // A second signal ends the process without waiting.
            Ok(()) = abort => Err("ended without a graceful stop".into()),
        }
    });
    // A database call that hangs must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// The signals that stop the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs a task; `None` if a signal stops it. Without a handler a signal would be ignored by a
/// process with the number 1, as in a container.
fn unless_stopped<T>(
    runtime: &Runtime,
    task: impl Future<Output = Result<T, BoxError>>,
) -> Result<Option<T>, BoxError> {
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            done = task => done.map(Some),
            () = signals.next() => Ok(None),
        }
    })
}

/// Runs a task to its end, on a runtime of its own, unless a signal stops it.
fn run<T>(task: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    let runtime = runtime()?;
    let outcome = unless_stopped(&runtime, task);
    runtime.shutdown_background();
    outcome?.ok_or_else(|| "stopped by a signal".into())
}

fn migrate() -> Result<(), BoxError> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    let migrated = run(app::migrate(settings.database))?;
    tracing::info!(migrations = ?migrated, "the database is up to date");
    Ok(())
}

fn set_active(username: &str, is_active: bool) -> Result<(), BoxError> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    run(admin::set_active(&settings, username, is_active))?;
    let outcome = if is_active { "may sign in again" } else { "is signed out and may not sign in" };
    print(&format!("{username} {outcome}\n"))
}

fn lift_numbers() -> Result<(), BoxError> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    let lift = run(admin::lift_numbers(&settings))?;
    print(&format!("the numbers of all events are above {lift}; every client resyncs\n"))
}

/// Requests `/healthz` of the instance on this machine, for the health check of a container
/// that has no curl.
fn healthy() -> Result<(), BoxError> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let address = settings::local_address()?.to_socket_addrs()?.next().ok_or("HOST names no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line)?;
    if status_line.ends_with(b" 200") { Ok(()) } else { Err("the instance does not respond with 200".into()) }
}

/// Returns the runtime of everything but HTTP and sockets, which have threads of their own
/// (`WORKERS`). It passes work on to the database and to Redis: one thread for every four cores
/// suffices, and each further one would be woken in vain.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Builder::new_multi_thread().worker_threads(cores.div_ceil(4)).enable_all().build()
}
