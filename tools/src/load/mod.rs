//! A load run measures a deployment in three optional steps: idle sockets are opened,
//! messages are sent, and the idle sockets are held until the server closes them.

pub mod options;
pub mod receipts;
pub mod redis;
pub mod report;
pub mod senders;
pub mod sockets;

use crate::memory::{processor_time, resident_bytes};
use crate::people::{self, Person};
use crate::socket::Socket;
use anyhow::ensure;
use options::Options;
use report::{Held, IdleMemory, Latency, Messages, Report};
use senders::micros;
use sockets::Measurement;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Receive buffer of sockets that never read: small, so that the server soon cannot
/// write to them.
const STALLED_RECEIVE_BUFFER_BYTES: u32 = 4096;

/// Memory is considered stable when it changes by less than this in half a second.
const STABLE_BYTES: u64 = 64 * 1024;

/// How long a stalled socket is read at the end before it counts as open.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Carries out a run and returns its report.
///
/// # Errors
///
/// If people cannot be signed up or sockets are rejected.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(options.concurrency > 0, "--concurrency must be at least 1");
    let people: Arc<[Person]> = match (&options.ids, &options.secret_key) {
        (Some(ids), Some(key)) => people::with_ids(ids.clone(), key)?,
        _ => people::sign_up(&options.senders, options.people).await?,
    }
    .into();
    ensure!(people.len() > 1, "at least two people are needed to send messages");
    let mut report = Report::default();
    let mut idle = JoinSet::new();
    if options.idle > 0 {
        let (tasks, memory) = open_idle(options, &people).await?;
        idle = tasks;
        report.idle = Some(memory);
    }
    if options.seconds > 0.0 {
        report.messages = Some(send(options, &people).await?);
    }
    if options.hold > 0.0 {
        report.held = Some(hold(idle, options).await?);
    }
    Ok(report)
}

async fn open_idle(
    options: &Options,
    people: &Arc<[Person]>,
) -> anyhow::Result<(JoinSet<(String, Instant)>, IdleMemory)> {
    let before_bytes = options.pid.map(resident_bytes).transpose()?;
    let half = options.idle / 2;
    let mut opening = Opening::default();
    let mut opened = opening.open(options, people, 0..half).await?;
    let half_bytes = stable_bytes(options.pid).await?;
    opened.extend(opening.open(options, people, half..options.idle).await?);
    let tasks = sockets::keep(opened);
    let after_bytes = stable_bytes(options.pid).await?;
    let growth = |from: Option<u64>, sockets: usize| {
        let bytes = after_bytes?.saturating_sub(from?);
        (sockets > 0).then(|| bytes as f64 / sockets as f64)
    };
    Ok((
        tasks,
        IdleMemory {
            sockets: options.idle,
            seconds: opening.elapsed.as_secs_f64(),
            connects_per_second: options.idle as f64 / opening.elapsed.as_secs_f64(),
            processor_us_per_connect: options
                .pid
                .map(|_| opening.processor_time.as_secs_f64() * 1e6 / options.idle as f64),
            before_bytes,
            after_bytes,
            bytes_per_socket: growth(before_bytes, options.idle),
            bytes_per_further_socket: growth(half_bytes, options.idle - half),
        },
    ))
}

/// How long sockets took to open, and what that cost the server.
#[derive(Default)]
struct Opening {
    elapsed: Duration,
    processor_time: Duration,
}

impl Opening {
    async fn open(
        &mut self,
        options: &Options,
        people: &Arc<[Person]>,
        indices: std::ops::Range<usize>,
    ) -> anyhow::Result<Vec<(usize, Socket)>> {
        let used = || options.pid.map_or(Ok(Duration::ZERO), processor_time);
        let (started, before) = (Instant::now(), used()?);
        let owners = indices.map(|index| index % people.len());
        let opened = sockets::open(options.socket_endpoint(), people, owners, None).await?;
        self.elapsed += started.elapsed();
        self.processor_time += used()?.saturating_sub(before);
        Ok(opened)
    }
}

/// Returns the memory of the process, if one is given, when it has become stable.
async fn stable_bytes(pid: Option<u32>) -> anyhow::Result<Option<u64>> {
    let Some(pid) = pid else { return Ok(None) };
    let mut last = resident_bytes(pid)?;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = resident_bytes(pid)?;
        if now.abs_diff(last) < STABLE_BYTES {
            return Ok(Some(now));
        }
        last = now;
    }
    Ok(Some(last))
}

async fn send(options: &Options, people: &Arc<[Person]>) -> anyhow::Result<Messages> {
    let before_bytes = options.pid.map(resident_bytes).transpose()?;
    let endpoint = options.socket_endpoint();
    let count = people.len() * options.sockets_per_person;
    let owners = (0..count).map(|index| index % people.len());
    let opened = sockets::open(endpoint, people, owners, None).await?;
    let stalled_owners = (0..options.stalled).map(|index| index % people.len());
    let stalled = sockets::open(endpoint, people, stalled_owners, Some(STALLED_RECEIVE_BUFFER_BYTES)).await?;

    let run = fastrand::u32(..);
    let started = Instant::now();
    let (stop, stopped) = watch::channel(false);
    let measurement = Measurement {
        run,
        started,
        senders: options.concurrency,
        counted_from_us: micros(Duration::from_secs_f64(options.warm_up)),
        delivered: Arc::new(AtomicU64::new(0)),
        stop: stopped,
    };
    let receiving = sockets::receive(opened, &measurement);
    let processor_before = options.pid.map(processor_time).transpose()?;
    let sent = match &options.publish_redis {
        Some(url) => redis::publish(options, url, &measurement, people).await?,
        None => senders::send(options, run, Arc::clone(people), started).await?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let delivered = measurement.delivered.load(Ordering::Relaxed) as f64;
    let processor_after = options.pid.map(processor_time).transpose()?;
    let used = processor_after.zip(processor_before).map(|(after, before)| after.saturating_sub(before));

    let expected = (sent.acknowledged.len() * options.sockets_per_person) as u64;
    let deadline = Instant::now() + Duration::from_secs_f64(options.settle);
    while measurement.delivered.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after_bytes = options.pid.map(resident_bytes).transpose()?;
    // Without sockets there is nobody to stop.
    let _ = stop.send(true);
    let mut messages = check(sent, receiving, count, expected).await?;
    messages.process_growth_bytes =
        before_bytes.zip(after_bytes).map(|(before, after)| after.cast_signed() - before.cast_signed());
    messages.delivered_per_second = delivered / seconds;
    messages.processor_us_per_delivery = used.map(|used| used.as_secs_f64() * 1e6 / delivered.max(1.0));
    messages.stalled = drain(stalled).await;
    Ok(messages)
}

/// Checks what the sockets received against what was acknowledged.
async fn check(
    sent: senders::Outcome,
    mut receiving: JoinSet<anyhow::Result<(usize, receipts::Receipts, Option<String>)>>,
    sockets: usize,
    expected: u64,
) -> anyhow::Result<Messages> {
    let mut numbers: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for (receiver, number) in &sent.acknowledged {
        numbers.entry(*receiver).or_default().push(*number);
    }
    let seconds = sent.span_us.map_or(0.0, |(first, last)| (last - first) as f64 / 1e6);
    let mut latency = receipts::histogram()?;
    let mut messages = Messages {
        acknowledged: sent.acknowledged.len() as u64,
        acknowledged_per_second: sent.counted as f64 / seconds.max(f64::MIN_POSITIVE),
        failed: sent.failed,
        post: Latency::from(&sent.latency),
        sockets,
        expected,
        delivered: 0,
        delivered_per_second: 0.0,
        processor_us_per_delivery: None,
        delivery: Latency::default(),
        lost: 0,
        repeated: 0,
        reordered: 0,
        misdelivered: 0,
        closed: BTreeMap::new(),
        process_growth_bytes: None,
        stalled: BTreeMap::new(),
    };
    while let Some(done) = receiving.join_next().await {
        let (owner, receipts, close) = done??;
        let acknowledged = numbers.get(&owner).map_or(&[][..], Vec::as_slice);
        messages.lost += acknowledged.iter().filter(|number| !receipts.contains(**number)).count() as u64;
        messages.delivered += receipts.delivered;
        messages.repeated += receipts.repeated;
        messages.reordered += receipts.reordered;
        messages.misdelivered += receipts.misdelivered;
        latency.add(&receipts.latency)?;
        if let Some(code) = close {
            *messages.closed.entry(code).or_default() += 1;
        }
    }
    messages.delivery = Latency::from(&latency);
    Ok(messages)
}

/// Reads the stalled sockets until they close, and counts how they were closed.
async fn drain(stalled: Vec<(usize, Socket)>) -> BTreeMap<String, u64> {
    let mut closes = BTreeMap::new();
    for (_, socket) in stalled {
        let closed = tokio::time::timeout(DRAIN_TIMEOUT, sockets::until_closed(socket));
        let code = closed.await.map_or_else(|_| "open".to_owned(), |(code, _)| code);
        *closes.entry(code).or_default() += 1;
    }
    closes
}

async fn hold(mut idle: JoinSet<(String, Instant)>, options: &Options) -> anyhow::Result<Held> {
    let mut held = Held::default();
    let (sockets, started) = (idle.len(), Instant::now());
    let before = options.pid.map(processor_time).transpose()?;
    let mut span: Option<(Instant, Instant)> = None;
    let deadline = tokio::time::sleep(Duration::from_secs_f64(options.hold));
    tokio::pin!(deadline);
    loop {
        let done = tokio::select! {
            done = idle.join_next() => done,
            () = &mut deadline => break,
        };
        let Some(done) = done else { break };
        let (code, at) = done?;
        *held.closes.entry(code).or_default() += 1;
        span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
    if !idle.is_empty() {
        held.closes.insert("open".to_owned(), idle.len() as u64);
    }
    // If the process has ended meanwhile, what it used is not known.
    let used = options.pid.and_then(|pid| processor_time(pid).ok());
    held.processor_us_per_socket_second = used.zip(before).map(|(after, before)| {
        after.saturating_sub(before).as_secs_f64() * 1e6
            / started.elapsed().as_secs_f64()
            / sockets.max(1) as f64
    });
    held.spread_seconds = span.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    Ok(held)
}
