//! `numeneon-announce`: posts to `/api/events/` as an integration does, as fast as the
//! server responds, and prints the rate and the latencies. It ends at the first request that
//! fails, with exit code 1.

use anyhow::ensure;
use clap::Parser;
use hdrhistogram::Histogram;
use numeneon_tools::http::{Client, Endpoint, Request};
use numeneon_tools::people::parse_ids;
use std::io::Write;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Measures publishing from integrations.
#[derive(Debug, Clone, Parser)]
#[command(name = "numeneon-announce", version)]
struct Options {
    /// Instance to post to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    url: Endpoint,
    /// A key of the server's SERVICE_KEYS, without its name
    #[arg(long, value_name = "KEY", env = "SERVICE_KEY", hide_env_values = true)]
    service_key: String,
    /// Ids of the people who are the recipients
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_ids)]
    ids: RangeInclusive<u64>,
    /// Recipients of each announcement: consecutive ids from a random start
    #[arg(long, value_name = "N", default_value_t = 1)]
    recipients: u64,
    /// Connections that post concurrently
    #[arg(long, value_name = "N", default_value_t = 16)]
    concurrency: usize,
    /// Duration of the run, in seconds
    #[arg(long, value_name = "S", default_value_t = 20)]
    seconds: u64,
    /// Size of the data, in bytes
    #[arg(long, value_name = "N", default_value_t = 100)]
    bytes: usize,
    /// Whether the events are stored in inboxes, or only sent to open sockets
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    durable: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Returns the status of a successful response.
    const fn expected_status(&self) -> u16 {
        if self.durable { 201 } else { 202 }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let people = options.ids.end() - options.ids.start() + 1;
    ensure!(
        (1..=people).contains(&options.recipients),
        "--recipients must be between 1 and the number of people"
    );
    let started = Instant::now();
    let posting = (0..options.concurrency).map(|_| tokio::spawn(post(options.clone())));
    let mut times = Histogram::<u64>::new(3)?;
    for posted in futures_util::future::join_all(posting).await {
        times.add(posted??)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let announcements = times.len() as f64 / seconds;
    let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
    let events = announcements * options.recipients as f64;
    let (p50, p99, max) = (ms(0.5), ms(0.99), times.max() as f64 / 1000.0);
    let text = if options.json {
        let report = serde_json::json!({
            "announcements_per_second": announcements, "events_per_second": events,
            "p50_ms": p50, "p99_ms": p99, "max_ms": max,
        });
        format!("{report:#}\n")
    } else {
        format!(
            "{announcements:.0} announcements a second, {events:.0} events a second; \
             p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms\n"
        )
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Posts over one connection and returns the response times in microseconds.
async fn post(options: Options) -> anyhow::Result<Histogram<u64>> {
    let (mut client, expected_status) = (Client::new(options.url.clone()), options.expected_status());
    let durable = if options.durable { "" } else { r#","durable":false"# };
    let mut times = Histogram::new(3)?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let data = "x".repeat(options.bytes.saturating_sub(2));
    let last_first = options.ids.end() - (options.recipients - 1);
    while Instant::now() < end {
        let first = fastrand::u64(*options.ids.start()..=last_first);
        let ids: Vec<_> = (first..first + options.recipients).collect();
        let body = format!(r#"{{"user_ids":{ids:?},"type":"load","data":"{data}"{durable}}}"#);
        let began = Instant::now();
        let response = client
            .request(Request {
                method: "POST",
                path: "/api/events/",
                bearer: Some(&options.service_key),
                body: Some(body.as_bytes()),
                ..Request::default()
            })
            .await?;
        times.record(u64::try_from(began.elapsed().as_micros())?)?;
        let text = String::from_utf8_lossy(&response.body);
        ensure!(
            response.status == expected_status && text.contains(r#""unknown_user_ids":[]"#),
            "{} {text}",
            response.status
        );
    }
    Ok(times)
}
