//! The command line of `numeneon-load`.

use super::redis::{self, RedisUrl};
use crate::http::Endpoint;
use crate::people::parse_ids;
use clap::Parser;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

/// Sends messages through one instance to sockets on another, and reports how
/// many were acknowledged, their latencies, and whether any was lost, repeated or
/// reordered.
#[derive(Debug, Clone, Parser)]
#[command(name = "numeneon-load", version)]
pub struct Options {
    /// Instance to which messages are posted
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub senders: Endpoint,
    /// Instance on which sockets are opened [default: the same as --senders]
    #[arg(long, value_name = "URL")]
    pub sockets: Option<Endpoint>,
    /// Publish straight to this Redis instead of posting, as other backends do; without --rate, as fast as the sockets receive
    #[arg(long, value_name = "URL", value_parser = redis::parse_url)]
    pub publish_redis: Option<RedisUrl>,
    /// Connections that post concurrently
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub concurrency: usize,
    /// Messages a second, due at even intervals regardless of the server; without it, as fast as the server responds
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Duration of the sending, in seconds; 0 sends nothing
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub seconds: f64,
    /// Seconds at the start that are excluded from rate and latencies (their messages must still arrive)
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub warm_up: f64,
    /// How long to wait for the last deliveries, in seconds
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub settle: f64,
    /// Size of a message's text, in bytes
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub bytes: usize,
    /// People to sign up
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub people: usize,
    /// Use existing people with these ids instead; requires --secret-key
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_ids, requires = "secret_key")]
    pub ids: Option<RangeInclusive<u64>>,
    /// The server's SECRET_KEY, to sign access tokens for --ids
    #[arg(long, value_name = "KEY", env = "SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,
    /// Send only to the first N people; 1 sends everything to one inbox [default: to all]
    #[arg(long, value_name = "N")]
    pub receivers: Option<NonZeroUsize>,
    /// Sockets of each person during the sending
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub sockets_per_person: usize,
    /// Sockets that never read, assigned to people in turn, opened before the sending
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stalled: usize,
    /// Idle sockets to open first, distributed over the people
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub idle: usize,
    /// Process whose memory and processor time are measured: the instance with the sockets
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// How long to hold the idle sockets at the end, in seconds, unless the server closes them all earlier
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub hold: f64,
    /// Threads of this tool
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Returns the server on which sockets are opened.
    #[must_use]
    pub fn socket_endpoint(&self) -> &Endpoint {
        self.sockets.as_ref().unwrap_or(&self.senders)
    }
}

impl Options {
    /// Returns how many of this many people messages are sent to.
    pub fn receivers(&self, people: usize) -> usize {
        self.receivers.map_or(people, |receivers| receivers.get().min(people))
    }
}
