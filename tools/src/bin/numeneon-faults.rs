//! `numeneon-faults`: see [`numeneon_tools::faults`].

#![forbid(unsafe_code)]

use clap::Parser;
use numeneon_tools::faults::{self, options::Options};
use std::io::Write;
use std::process::ExitCode;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::parse();
    match faults::run(&options).await {
        Ok(report) => {
            let text =
                if options.json { format!("{:#}\n", serde_json::json!(report)) } else { report.to_string() };
            // The reader of a pipe may have closed it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!report.broken.is_empty()))
        }
        Err(error) => {
            eprintln!("numeneon-faults: {error:#}");
            ExitCode::from(2)
        }
    }
}
