//! The command line of `numeneon-faults`.

use super::kind::Kind;
use clap::Parser;
use std::path::PathBuf;

/// Breaks a running cluster again and again under load, and counts what was lost,
/// repeated, reordered or misdelivered, and how long sockets took to be current
/// again. Exit code 1 when a promise was broken.
///
/// The cluster is one that `scripts/cluster start` made; it is not a place for
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
    /// Number that decides the order and the details of the faults [default: a random one]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many faults
    #[arg(long, value_name = "N", default_value_t = Kind::ALL.len())]
    pub faults: usize,
    /// Kinds of faults, comma separated [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = parse_kind)]
    pub kinds: Vec<Kind>,
    /// Shortest duration: faults are spread over it
    #[arg(long, value_name = "M", default_value_t = 0.0)]
    pub minutes: f64,
    /// People who write to each other
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub people: usize,
    /// Sockets of each: one direct, one through a proxy that may go silent, one that may stop reading, and so on
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub sockets_per_person: usize,
    /// Requests a second, of all people together
    #[arg(long, value_name = "N", default_value_t = 150.0)]
    pub rate: f64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(|kind| kind.to_string()).join(", ");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.to_string() == name)
        .ok_or_else(|| format!("the kinds are: {}", names()))
}
