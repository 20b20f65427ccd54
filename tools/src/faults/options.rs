//! The command line of `numeneon-faults`.

use super::fault::FaultKind;
use clap::Parser;
use std::path::PathBuf;

/// Injects faults into a running cluster under load. Counts what was lost, repeated,
/// reordered or misdelivered, and how long sockets took to become current again. The
/// exit code is 1 if a promise was broken.
///
/// The cluster must have been started by `scripts/cluster start`. Do not use one with
/// data that matters.
#[derive(Debug, Clone, Parser)]
#[command(name = "numeneon-faults", version)]
pub struct Options {
    /// Folder of the cluster
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The script that started the cluster
    #[arg(long, value_name = "PATH", default_value = "scripts/cluster")]
    pub script: PathBuf,
    /// Seed for the order and the details of the faults [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Number of faults
    #[arg(long, value_name = "N", default_value_t = FaultKind::ALL.len())]
    pub faults: usize,
    /// Kinds of faults, comma-separated [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = parse_kind)]
    pub kinds: Vec<FaultKind>,
    /// Minimum duration, in minutes; the faults are spread over it
    #[arg(long, value_name = "M", default_value_t = 0.0)]
    pub minutes: f64,
    /// Number of people who write to each other
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub people: usize,
    /// Sockets of each person: one direct, one through a proxy that can go silent, one that can stop reading, and so on
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub sockets_per_person: usize,
    /// Requests a second by all people together
    #[arg(long, value_name = "N", default_value_t = 150.0)]
    pub rate: f64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Returns the kinds of faults.
    pub fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        let kinds = if self.kinds.is_empty() { &FaultKind::ALL[..] } else { &self.kinds };
        kinds.iter().copied()
    }
}

fn parse_kind(name: &str) -> Result<FaultKind, String> {
    let names = || FaultKind::ALL.map(|kind| kind.to_string()).join(", ");
    FaultKind::ALL
        .into_iter()
        .find(|kind| kind.to_string() == name)
        .ok_or_else(|| format!("expected one of: {}", names()))
}
