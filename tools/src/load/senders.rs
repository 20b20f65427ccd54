//! The senders: connections that post messages, at a fixed rate or as fast as
//! they are answered.
//!
//! At a fixed rate a message's latency counts from the moment it was meant to be
//! sent, not from the moment a free connection got round to it. A server that
//! stalls for a second is thereby charged for all the messages of that second.

use super::options::Options;
use super::tally::{Stamp, histogram};
use crate::http::Client;
use crate::people::Person;
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

/// Longest wait for one answer. Past it the message is in doubt.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages whose time has come and that no connection has taken yet. When it is
/// full the clock waits; the intended times stay what they were.
const DUE_CAPACITY: usize = 65_536;

/// What the senders know at the end.
#[derive(Debug)]
pub struct Sent {
    /// Receiver's index and number of each message that was answered 201.
    pub acknowledged: Vec<(usize, u64)>,
    /// How many of those count for rate and latency: the ones after the warm-up.
    pub counted: u64,
    /// Answer latencies in microseconds.
    pub latency: Histogram<u64>,
    /// Requests that were not answered 201, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// First and last moment that count, in microseconds of the run.
    pub span_us: Option<(u64, u64)>,
}

impl Sent {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            acknowledged: Vec::new(),
            counted: 0,
            latency: histogram()?,
            failed: BTreeMap::new(),
            span_us: None,
        })
    }

    fn merge(&mut self, other: Self) -> anyhow::Result<()> {
        self.acknowledged.extend(other.acknowledged);
        self.counted += other.counted;
        self.latency.add(&other.latency)?;
        for (cause, count) in other.failed {
            *self.failed.entry(cause).or_default() += count;
        }
        self.span_us = match (self.span_us, other.span_us) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        Ok(())
    }
}

#[derive(Deserialize)]
struct Acknowledged {
    #[serde(rename = "id")]
    _id: u64,
}

/// Runs the senders to their end.
///
/// # Errors
/// When a sender fails for a reason that is not the server's.
pub async fn send(
    options: &Options,
    run: u32,
    people: Arc<[Person]>,
    started: Instant,
) -> anyhow::Result<Sent> {
    let due = options.rate.map(|rate| clock(rate, options.seconds, started));
    let numbers: Arc<[AtomicU64]> = people.iter().map(|_| AtomicU64::new(0)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..options.concurrency {
        let sender = Sender {
            index,
            run,
            people: Arc::clone(&people),
            numbers: Arc::clone(&numbers),
            client: Client::new(options.senders.clone()),
            bytes: options.bytes,
            started,
            counts_from_us: micros(Duration::from_secs_f64(options.warm_up)),
            random: fastrand::Rng::with_seed(u64::from(run) + index as u64),
            sent: Sent::new()?,
        };
        let ends = started + Duration::from_secs_f64(options.seconds);
        tasks.spawn(sender.run(due.clone(), ends));
    }
    let mut sent = Sent::new()?;
    while let Some(done) = tasks.join_next().await {
        sent.merge(done??)?;
    }
    Ok(sent)
}

type Due = Arc<Mutex<mpsc::Receiver<u64>>>;

/// Tells the senders when a message is due. A thread, because the runtime's
/// timers wake up to a millisecond late.
fn clock(rate: f64, seconds: f64, started: Instant) -> Due {
    let (tell, due) = mpsc::channel(DUE_CAPACITY);
    std::thread::spawn(move || {
        for index in 0_u32.. {
            let at = f64::from(index) / rate;
            if at >= seconds {
                break;
            }
            let at = Duration::from_secs_f64(at);
            std::thread::sleep((started + at).saturating_duration_since(Instant::now()));
            if tell.blocking_send(micros(at)).is_err() {
                break;
            }
        }
    });
    Arc::new(Mutex::new(due))
}

struct Sender {
    index: usize,
    run: u32,
    people: Arc<[Person]>,
    numbers: Arc<[AtomicU64]>,
    client: Client,
    bytes: usize,
    started: Instant,
    counts_from_us: u64,
    random: fastrand::Rng,
    sent: Sent,
}

impl Sender {
    async fn run(mut self, due: Option<Due>, ends: Instant) -> anyhow::Result<Sent> {
        loop {
            let intended_us = match &due {
                Some(due) => match due.lock().await.recv().await {
                    Some(at) => at,
                    None => break,
                },
                None if Instant::now() >= ends => break,
                None => micros(self.started.elapsed()),
            };
            self.post(intended_us).await;
        }
        Ok(self.sent)
    }

    async fn post(&mut self, intended_us: u64) {
        let own = self.index % self.people.len();
        let step = self.random.usize(1..self.people.len());
        let receiver = (own + step) % self.people.len();
        let stamp = Stamp {
            run: self.run,
            receiver,
            sender: self.index,
            number: self.numbers[receiver].fetch_add(1, Ordering::Relaxed),
            intended_us,
        };
        let body = format!(
            r#"{{"receiver_id":{},"content":"{}"}}"#,
            self.people[receiver].id,
            stamp.text(self.bytes)
        );
        let token = &self.people[own].token;
        let request = self.client.request("POST", "/api/messages/", Some(token), Some(body.as_bytes()));
        let cause = match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
            Ok(Ok(answer)) if answer.status == 201 => {
                match serde_json::from_slice::<Acknowledged>(&answer.body) {
                    Ok(_) => return self.acknowledged(receiver, stamp.number, intended_us),
                    Err(_) => "201 without a message".to_owned(),
                }
            }
            Ok(Ok(answer)) => answer.status.to_string(),
            Ok(Err(_)) => "connection".to_owned(),
            Err(_) => "no answer".to_owned(),
        };
        *self.sent.failed.entry(cause).or_default() += 1;
    }

    fn acknowledged(&mut self, receiver: usize, number: u64, intended_us: u64) {
        self.sent.acknowledged.push((receiver, number));
        if intended_us < self.counts_from_us {
            return;
        }
        let now_us = micros(self.started.elapsed());
        self.sent.counted += 1;
        self.sent.latency.saturating_record(now_us.saturating_sub(intended_us));
        let first = self.sent.span_us.map_or(intended_us, |(first, _)| first);
        self.sent.span_us = Some((first, now_us));
    }
}

/// Returns a duration in whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
