//! `numeneon` serves, `numeneon migrate` migrates, `numeneon deactivate` closes an
//! account, `numeneon healthy` asks the instance beside it, `numeneon --help` lists the
//! settings.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use numeneon::app::App;
use numeneon::error::Cause;
use numeneon::settings::{self, Settings};
use numeneon::{admin, db, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => serve(),
        ["migrate"] => migrate(),
        ["deactivate", username] => set_active(username, false),
        ["reactivate", username] => set_active(username, true),
        ["healthy"] => healthy(),
        ["--help" | "-h" | "help"] => print(&settings::help()),
        ["--version" | "-V"] => print(concat!("numeneon ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => Err(format!("unknown arguments: {}; see numeneon --help", arguments.join(" ")).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line; standard error being gone is no reason to fail otherwise.
            let _ = writeln!(std::io::stderr(), "numeneon: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), Cause> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn serve() -> Result<(), Cause> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    #[cfg(feature = "otlp")]
    let _traces = telemetry::export_traces(&settings.telemetry)?;
    let host = settings.host.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async move {
        let app = App::build(settings).await?;
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tracing::info!(address = %format!("http://{host}:{}", app.port()), "serving");
        if let Some(address) = app.metrics_address() {
            tracing::info!(metrics.address = %address, "serving metrics");
        }
        let (first, stop) = oneshot::channel();
        let (second, hurry) = oneshot::channel();
        tokio::spawn(async move {
            for asked in [first, second] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                // The other side may have ended meanwhile.
                let _ = asked.send(());
            }
        });
        let stop = async move {
            let _ = stop.await;
        };
        tokio::select! {
            ended = app.run_until_stopped(stop) => ended,
            // Whoever asks twice does not want to wait.
            Ok(()) = hurry => Err("ended without a graceful stop".into()),
        }
    });
    // A call into a database that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

fn migrate() -> Result<(), Cause> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    let migrated = db::migrate(&settings.database)?;
    tracing::info!(migrations = ?migrated, "the database is up to date");
    Ok(())
}

fn set_active(username: &str, is_active: bool) -> Result<(), Cause> {
    let settings = Settings::from_environment()?;
    let _flush = telemetry::log_to_stderr(&settings.telemetry);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(admin::set_active(&settings, username, is_active))?;
    let outcome = if is_active { "may sign in again" } else { "is signed out and may not sign in" };
    print(&format!("{username} {outcome}\n"))
}

/// Asks `/healthz` of the instance on this machine: what a container's health check
/// runs where there is no curl.
fn healthy() -> Result<(), Cause> {
    const LIMIT: Duration = Duration::from_secs(2);
    let address = settings::local_address()?.to_socket_addrs()?.next().ok_or("HOST names no address")?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer.ends_with(b" 200") { Ok(()) } else { Err("the instance does not answer 200".into()) }
}
