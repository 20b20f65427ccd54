//! The senders: connections that post messages, at a fixed rate or as fast as the
//! server responds.
//!
//! At a fixed rate, latency is measured from the moment a message was due, not from
//! the moment a connection was free to send it. A server that stalls for a second is
//! thereby charged for all messages of that second (no coordinated omission). A request
//! that fails counts with the longest latency there is, [`RESPONSE_TIMEOUT`]: a server
//! does not become faster by rejecting.

use super::options::Options;
use super::receipts::{Stamp, histogram};
use crate::http::{Client, Request};
use crate::people::Person;
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

/// How long to wait for a response. After that, the outcome is unknown.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages that are due and not yet taken by a connection. When the queue is full,
/// the scheduling thread waits; the due times do not change.
const DUE_CAPACITY: usize = 65_536;

/// The outcome of all requests of the senders.
#[derive(Debug)]
pub struct Outcome {
    /// The receiver's index and the number of each message whose response was 201.
    pub acknowledged: Vec<(usize, u64)>,
    /// How many of those are included in rate and latency: the ones after the warm-up.
    pub counted: u64,
    /// Response latencies in microseconds. A request that failed counts with
    /// [`RESPONSE_TIMEOUT`].
    pub latency: Histogram<u64>,
    /// Requests with another outcome, by status or cause.
    pub failed: BTreeMap<String, u64>,
    /// When the first included message was due and the last was acknowledged or failed,
    /// in microseconds since the start of the run.
    pub span_us: Option<(u64, u64)>,
}

impl Outcome {
    /// Returns an outcome without requests.
    ///
    /// # Errors
    ///
    /// See [`histogram`].
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            acknowledged: Vec::new(),
            counted: 0,
            latency: histogram()?,
            failed: BTreeMap::new(),
            span_us: None,
        })
    }

    /// Records an acknowledged message. It is included in rate, latency and span if it was due
    /// after the warm-up.
    pub fn record_acknowledged(
        &mut self,
        receiver: usize,
        number: u64,
        due_us: u64,
        now_us: u64,
        from_us: u64,
    ) {
        self.acknowledged.push((receiver, number));
        if due_us >= from_us {
            self.counted += 1;
            self.include(due_us, now_us, now_us.saturating_sub(due_us));
        }
    }

    /// Records a request that failed. It is included in latency and span, with the longest
    /// latency, if it was due after the warm-up.
    fn record_failed(&mut self, cause: String, due_us: u64, now_us: u64, from_us: u64) {
        *self.failed.entry(cause).or_default() += 1;
        if due_us >= from_us {
            self.include(due_us, now_us, micros(RESPONSE_TIMEOUT));
        }
    }

    fn include(&mut self, due_us: u64, now_us: u64, latency_us: u64) {
        self.latency.saturating_record(latency_us);
        let first = self.span_us.map_or(due_us, |(first, _)| first);
        self.span_us = Some((first, now_us));
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

/// Runs the senders until they are finished.
///
/// # Errors
///
/// If a sender fails for a reason other than the server.
pub async fn send(
    options: &Options,
    run: u32,
    people: Arc<[Person]>,
    started: Instant,
) -> anyhow::Result<Outcome> {
    let due = options.rate.map(|rate| schedule(rate, options.seconds, started));
    let numbers: Arc<[AtomicU64]> = people.iter().map(|_| AtomicU64::new(0)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..options.concurrency {
        let sender = Sender {
            index,
            run,
            people: Arc::clone(&people),
            receivers: options.receivers(people.len()),
            numbers: Arc::clone(&numbers),
            client: Client::new(options.senders.clone()),
            bytes: options.bytes,
            started,
            counted_from_us: micros(Duration::from_secs_f64(options.warm_up)),
            random: fastrand::Rng::with_seed(u64::from(run) + index as u64),
            outcome: Outcome::new()?,
        };
        let end = started + Duration::from_secs_f64(options.seconds);
        tasks.spawn(sender.run(due.clone(), end));
    }
    let mut outcome = Outcome::new()?;
    while let Some(done) = tasks.join_next().await {
        outcome.merge(done??)?;
    }
    Ok(outcome)
}

type Due = Arc<Mutex<mpsc::Receiver<u64>>>;

/// Starts a thread that sends the time of each message when it is due. A thread,
/// because the runtime's timers are up to a millisecond late.
fn schedule(rate: f64, seconds: f64, started: Instant) -> Due {
    let (sender, due) = mpsc::channel(DUE_CAPACITY);
    std::thread::spawn(move || {
        for index in 0_u32.. {
            let at = f64::from(index) / rate;
            if at >= seconds {
                break;
            }
            let at = Duration::from_secs_f64(at);
            std::thread::sleep((started + at).saturating_duration_since(Instant::now()));
            if sender.blocking_send(micros(at)).is_err() {
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
    /// How many of the people receive messages: the first ones.
    receivers: usize,
    numbers: Arc<[AtomicU64]>,
    client: Client,
    bytes: usize,
    started: Instant,
    counted_from_us: u64,
    random: fastrand::Rng,
    outcome: Outcome,
}

impl Sender {
    async fn run(mut self, due: Option<Due>, end: Instant) -> anyhow::Result<Outcome> {
        loop {
            let due_us = match &due {
                Some(due) => match due.lock().await.recv().await {
                    Some(at) => at,
                    None => break,
                },
                None if Instant::now() >= end => break,
                None => micros(self.started.elapsed()),
            };
            self.post(due_us).await;
        }
        Ok(self.outcome)
    }

    async fn post(&mut self, due_us: u64) {
        let (author, receiver) =
            author_and_receiver(self.index, self.people.len(), self.random.usize(..self.receivers));
        let stamp = Stamp {
            run: self.run,
            receiver,
            sender: self.index,
            number: self.numbers[receiver].fetch_add(1, Ordering::Relaxed),
            due_us,
        };
        let body = format!(
            r#"{{"receiver_id":{},"content":"{}"}}"#,
            self.people[receiver].id,
            stamp.text(self.bytes)
        );
        let token = &self.people[author].token;
        let request = self.client.request(Request {
            method: "POST",
            path: "/api/messages/",
            bearer: Some(token),
            idempotency_key: None,
            body: Some(body.as_bytes()),
        });
        let cause = match tokio::time::timeout(RESPONSE_TIMEOUT, request).await {
            Ok(Ok(response)) if response.status == 201 => {
                match serde_json::from_slice::<Acknowledged>(&response.body) {
                    Ok(_) => {
                        let now_us = micros(self.started.elapsed());
                        let (number, from_us) = (stamp.number, self.counted_from_us);
                        return self.outcome.record_acknowledged(receiver, number, due_us, now_us, from_us);
                    }
                    Err(_) => "201 without a message".to_owned(),
                }
            }
            Ok(Ok(response)) => response.status.to_string(),
            Ok(Err(_)) => "connection".to_owned(),
            Err(_) => "timeout".to_owned(),
        };
        self.outcome.record_failed(cause, due_us, micros(self.started.elapsed()), self.counted_from_us);
    }
}

/// Returns the indexes of two different people: the author of a sending connection, which
/// are taken from the last one down so that with few receivers no author is one, and the
/// receiver, which is `drawn` unless that is the author.
fn author_and_receiver(connection: usize, people: usize, drawn: usize) -> (usize, usize) {
    let author = people - 1 - connection % people;
    (author, if drawn == author { (drawn + 1) % people } else { drawn })
}

/// Returns a duration in microseconds, rounded down.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::author_and_receiver;

    #[test]
    fn nobody_sends_to_themselves_and_one_receiver_gets_all() {
        for (connection, drawn) in (0..7).flat_map(|connection| (0..3).map(move |drawn| (connection, drawn)))
        {
            let (author, receiver) = author_and_receiver(connection, 3, drawn);
            assert_ne!(author, receiver);
            assert!(author < 3 && receiver < 3);
        }
        assert!((0..9).all(|connection| author_and_receiver(connection, 10, 0).1 == 0));
    }
}
