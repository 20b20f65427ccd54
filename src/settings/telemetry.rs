//! What an operator is told, and where.

use std::io::IsTerminal;
use std::net::SocketAddr;

use secrecy::SecretString;

use super::Wrong;
use super::source::Source;

/// What an operator is told, and where.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where `/metrics` is served; without an address it is not.
    pub metrics_address: Option<SocketAddr>,
    /// The token that `/metrics` asks for, if any.
    pub metrics_token: Option<SecretString>,
    /// What is logged, as a `tracing` filter.
    pub log: String,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// Whether standard error is a terminal.
    pub on_a_terminal: bool,
}

pub(super) fn read(source: &Source<'_>) -> Result<Telemetry, Wrong> {
    let on_a_terminal = std::io::stderr().is_terminal();
    Ok(Telemetry {
        metrics_address: source.address("METRICS_ADDRESS")?,
        metrics_token: source.optional("METRICS_TOKEN").map(SecretString::from),
        log: source.log_filter("LOG")?,
        log_json: match source.optional("LOG_FORMAT") {
            Some(_) => source.choice("LOG_FORMAT", &["text", "json"])? == "json",
            None => !on_a_terminal,
        },
        on_a_terminal,
    })
}
