//! What an operator is told, and where.

use std::io::IsTerminal;
use std::net::SocketAddr;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

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

impl Telemetry {
    /// Returns what decides which lines are logged.
    pub fn log_filter(&self) -> EnvFilter {
        // It was parsed before it became a setting.
        parse_log_filter(&self.log).unwrap_or_default()
    }
}

/// Values of fields stand for themselves: as regular expressions, a few stars in a row take seconds
/// to be read.
pub(super) fn parse_log_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_regex(false).parse(text)
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::parse_log_filter;

    #[test]
    fn fields_are_no_patterns_that_take_seconds_to_be_read() {
        let stars = "*".repeat(20);
        let started = Instant::now();
        assert!(
            parse_log_filter(&format!("info[{{a=\"b......................{stars}_{stars}\"}}]=debug"))
                .is_ok()
        );
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
