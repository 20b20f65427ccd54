//! `numeneon-load`: see [`numeneon_tools::load`]. The exit code is 1 if a request failed or
//! a message was lost, repeated, reordered or misdelivered, and 2 if the run itself failed.

#![forbid(unsafe_code)]

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use numeneon_tools::load::{self, options::Options, report::Report};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    let json = options.json;
    match run(options) {
        Ok(report) => {
            let text = if json { format!("{:#}\n", serde_json::json!(report)) } else { report.to_string() };
            // The reader of a pipe may have closed it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(error) => {
            eprintln!("numeneon-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: Options) -> anyhow::Result<Report> {
    // Thousands of sockets need more file descriptors than the usual default of shells.
    let (_, max) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, max, max)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(options.threads).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(async move { load::run(&options).await }).await? })
}
