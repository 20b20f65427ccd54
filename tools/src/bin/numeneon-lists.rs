//! `numeneon-lists`: see [`numeneon_tools::lists`].

#![forbid(unsafe_code)]

use clap::Parser;
use numeneon_tools::lists::{self, Options};
use std::io::Write;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match lists::run(&options).await {
        Ok(report) => {
            let text =
                if options.json { format!("{:#}\n", serde_json::json!(report)) } else { report.to_string() };
            // The reader of a pipe may have closed it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(error) => {
            eprintln!("numeneon-lists: {error:#}");
            ExitCode::from(2)
        }
    }
}
