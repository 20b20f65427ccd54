//! The command line of `numeneon-load`.

use crate::http::Endpoint;
use crate::people::parse_ids;
use clap::Parser;
use std::ops::RangeInclusive;

/// Sends messages through one instance to sockets on another, and reports how
/// many were acknowledged, how long they took, and whether any was lost,
/// repeated or reordered.
#[derive(Debug, Clone, Parser)]
#[command(name = "numeneon-load", version)]
pub struct Options {
    /// Instance that the messages are posted to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub senders: Endpoint,
    /// Instance that the sockets are opened on [default: the senders' one]
    #[arg(long, value_name = "URL")]
    pub sockets: Option<Endpoint>,
    /// Connections that post at once
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub concurrency: usize,
    /// Messages a second, sent at even distances whatever the server does; without it, as fast as the connections are answered
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Duration of the sending; 0 sends nothing
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub seconds: f64,
    /// Seconds at the start that are not counted in rate and latencies (their messages must arrive all the same)
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub warm_up: f64,
    /// Longest wait for the last deliveries, in seconds
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub settle: f64,
    /// Bytes of a message's text
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub bytes: usize,
    /// People to sign up
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub people: usize,
    /// Use existing people of these ids instead; needs --secret-key
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_ids, requires = "secret_key")]
    pub ids: Option<RangeInclusive<u64>>,
    /// The server's SECRET_KEY, to make access tokens for --ids
    #[arg(long, value_name = "KEY", env = "SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,
    /// Sockets that each person holds during the sending
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub sockets_per_person: usize,
    /// Sockets that never read, one person after the other, opened before the sending
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stalled: usize,
    /// Idle sockets to open first, spread over the people
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub idle: usize,
    /// Process whose memory is measured: the instance that holds the sockets
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Seconds to keep the idle sockets at the end, or until the server has closed them all
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub hold: f64,
    /// Threads of this program
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Where the sockets are opened.
    #[must_use]
    pub fn socket_endpoint(&self) -> &Endpoint {
        self.sockets.as_ref().unwrap_or(&self.senders)
    }
}
