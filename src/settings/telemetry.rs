//! Settings of log lines, metrics and traces.

use std::io::IsTerminal;
use std::net::SocketAddr;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use url::{Position, Url};

use super::invalid_setting::InvalidSetting;
use super::source::Source;

/// Log lines, metrics and traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The address on which `/metrics` is served; without one it is not.
    pub metrics_address: Option<SocketAddr>,
    /// The bearer token that `/metrics` requires, if any.
    pub metrics_token: Option<SecretString>,
    /// What is logged, as a `tracing` filter.
    pub log: String,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// Whether standard error is a terminal.
    pub on_a_terminal: bool,
    /// Where traces are exported to, if anywhere; only in a build with the feature `otlp`.
    pub traces: Option<Traces>,
}

/// Where traces are exported to.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The collector's URL for traces. Some have a token in their path.
    pub endpoint: SecretString,
    /// The collector's host and port, for the log.
    pub collector: String,
    /// The ratio of traces begun by this instance that are recorded: 0 to 1.
    pub sample_ratio: f64,
}

impl Telemetry {
    /// Returns the filter that decides which lines are logged.
    pub fn log_filter(&self) -> EnvFilter {
        // It was parsed before, when it was read.
        parse_log_filter(&self.log).unwrap_or_default()
    }
}

/// Parses a filter. Values of fields are literal text: as regular expressions, a few stars in a
/// row would take seconds to parse.
fn parse_log_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_regex(false).parse(text)
}

fn read_log_filter(source: &Source<'_>) -> Result<String, InvalidSetting> {
    let text = source.text("LOG");
    parse_log_filter(&text).map_err(|error| InvalidSetting::new("LOG", error))?;
    Ok(text)
}

/// Reads the settings of log lines, metrics and traces.
pub(super) fn read(source: &Source<'_>) -> Result<Telemetry, InvalidSetting> {
    let on_a_terminal = std::io::stderr().is_terminal();
    Ok(Telemetry {
        metrics_address: source.address("METRICS_ADDRESS")?,
        metrics_token: source.optional("METRICS_TOKEN").map(SecretString::from),
        log: read_log_filter(source)?,
        log_json: match source.optional("LOG_FORMAT") {
            Some(_) => source.choice("LOG_FORMAT", &["text", "json"])? == "json",
            None => !on_a_terminal,
        },
        on_a_terminal,
        traces: traces(source)?,
    })
}

fn traces(source: &Source<'_>) -> Result<Option<Traces>, InvalidSetting> {
    const ENDPOINT: &str = "OTLP_ENDPOINT";
    let sample_ratio = source.ratio("OTLP_SAMPLE_RATIO")?;
    let Some(text) = source.optional(ENDPOINT) else { return Ok(None) };
    let url = collector(&text).map_err(|why| InvalidSetting::new(ENDPOINT, why))?;
    // Last, so that every build reports what else is wrong.
    if !cfg!(feature = "otlp") {
        return Err(InvalidSetting::new(ENDPOINT, "needs a build with traces: cargo build --features otlp"));
    }
    let collector = url[Position::BeforeHost..Position::AfterPort].to_owned();
    Ok(Some(Traces { endpoint: url.as_str().into(), collector, sample_ratio }))
}

/// Returns the URL by which a collector accepts traces, or what is wrong with the given URL,
/// without quoting it: it may hold a password.
fn collector(text: &str) -> Result<Url, String> {
    let mut url =
        Url::parse(text).map_err(|error| format!("not a URL such as http://127.0.0.1:4318: {error}"))?;
    match url.scheme() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err("https:// needs a build with TLS: cargo build --features otlp,tls".into()),
        other => return Err(format!("{other}:// is neither http:// nor https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL has a user name or a password, which would not be sent".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has a query or a fragment".into());
    }
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{collector, parse_log_filter};

    #[test]
    fn the_path_for_traces_is_appended() {
        for (given, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("HTTP://collector/otlp/", "http://collector/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(collector(given).map(String::from).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_collector_behind_tls_needs_a_build_with_tls() {
        assert_eq!(collector("https://collector").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn values_of_fields_are_not_parsed_as_regular_expressions() {
        let stars = "*".repeat(20);
        let started = Instant::now();
        assert!(
            parse_log_filter(&format!("info[{{a=\"b......................{stars}_{stars}\"}}]=debug"))
                .is_ok()
        );
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
