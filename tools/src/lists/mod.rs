//! Fills a database with people and messages, and measures each list and search of the API.
//!
//! The first person has [`PARTNERS`] partners and one message in fifty; everybody else has about
//! twenty messages with their neighbours. Lists are requested one after the other, so a latency
//! is what the server and the database need, and not a queue.

mod fill;
mod report;
mod routes;

pub use report::{Report, Row};

use crate::http::{Client, Endpoint, Request};
use crate::token;
use anyhow::Context;
use clap::Parser;
use hdrhistogram::Histogram;
use routes::{Route, Who};
use std::time::Instant;

/// Partners of the first person.
pub const PARTNERS: u64 = 500;

/// Measures lists and searches in a large database: p50 and p99 of each route.
#[derive(Debug, Clone, Parser)]
#[command(name = "numeneon-lists", version)]
pub struct Options {
    /// Instance to request
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: Endpoint,
    /// Its PostgreSQL database, migrated and without users: it is filled, unless a run before filled it
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The server's SECRET_KEY, to sign access tokens
    #[arg(long, value_name = "KEY", env = "SECRET_KEY", hide_env_values = true)]
    pub secret_key: String,
    /// People in the database
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub people: u64,
    /// Messages in the database, one in fifty of which are the first person's
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub messages: u64,
    /// Requests of each route
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub requests: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Fills the database if it is empty, requests every route, and returns the latencies.
///
/// # Errors
///
/// If the database cannot be filled. A request that fails is counted, not an error.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    fill::fill(&options.database_url, options.people, options.messages).await?;
    let mut client = Client::new(options.url.clone());
    let mut report = Report { people: options.people, messages: options.messages, rows: Vec::new() };
    for route in routes::ALL {
        eprintln!("numeneon-lists: {}", route.name);
        report.rows.push(measure(&mut client, options, route).await?);
    }
    Ok(report)
}

/// Requests a route as often as the options say, after a few requests that are not counted: the
/// first ones of a connection prepare statements, and read from the disk.
async fn measure(client: &mut Client, options: &Options, route: &Route) -> anyhow::Result<Row> {
    let mut times = Histogram::<u64>::new(3)?;
    let (mut failed, mut bytes, mut first_failure) = (0, 0, None);
    let warm_up = options.requests.div_ceil(10);
    for request in 0..warm_up + options.requests {
        let person = match route.who {
            Who::First => 1,
            Who::Anybody => fastrand::u64(2..=options.people),
        };
        let token = token::access(&options.secret_key, person)?;
        let path = (route.path)(options, person);
        let began = Instant::now();
        let response = client
            .request(Request { method: "GET", path: &path, bearer: Some(&token), ..Request::default() })
            .await;
        let micros = u64::try_from(began.elapsed().as_micros())?;
        if request < warm_up {
            continue;
        }
        times.record(micros.max(1))?;
        match response {
            Ok(response) if response.status == 200 => bytes += response.body.len() as u64,
            outcome => {
                failed += 1;
                first_failure.get_or_insert_with(|| match outcome {
                    Ok(response) => {
                        format!("{} {}", response.status, String::from_utf8_lossy(&response.body))
                    }
                    Err(error) => format!("{error:#}"),
                });
            }
        }
    }
    if let Some(failure) = first_failure {
        eprintln!("numeneon-lists: {}: {failure}", route.name);
    }
    let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Row {
        route: route.name,
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        max_ms: times.max() as f64 / 1000.0,
        goal_p99_ms: route.goal_ms,
        mean_bytes: bytes.checked_div(options.requests - failed).unwrap_or_default(),
        requests: options.requests,
        failed,
    })
}

/// Connects to the database; the connection is driven by a task until the client is dropped.
async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.context("--database-url")?;
    // A connection that fails fails the statement that uses it.
    tokio::spawn(connection);
    Ok(client)
}
