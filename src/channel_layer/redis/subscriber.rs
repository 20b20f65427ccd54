//! The [`Subscriber`] keeps this process subscribed to just the groups that its hub
//! has, and delivers what arrives. It connects again after any outage.
//!
//! It compares what is wanted with what is subscribed, instead of following orders:
//! whatever the order in which people come and go, the two agree in the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

use super::super::Group;
use super::super::hub::Hub;
use super::probe::{self, Probe};
use super::wire;
use crate::error::BoxError;
use crate::telemetry::Metrics;

/// Groups in one SUBSCRIBE: large enough that 100,000 take a second.
const BATCH: usize = 1_000;

/// How long Redis may take to confirm a batch. It answers in milliseconds; at start
/// it may have to do so for many instances.
const CONFIRM_LIMIT: Duration = Duration::from_secs(5);

/// The first and the longest delay between attempts to connect. The longest keeps
/// the return of Redis from being noticed late; the random part keeps instances
/// apart.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// Groups whose first subscription came or whose last one went, since the last look.
/// No more than there are groups.
#[derive(Default)]
pub(super) struct Changes {
    groups: Mutex<HashSet<Group>>,
    some: Notify,
}

impl Changes {
    pub(super) fn add(&self, group: &Group) {
        self.groups.lock().insert(group.clone());
        self.some.notify_one();
    }

    fn take(&self) -> Vec<Group> {
        std::mem::take(&mut *self.groups.lock()).into_iter().collect()
    }
}

pub(super) struct Subscriber {
    client: redis::Client,
    hub: Arc<Hub>,
    changes: Arc<Changes>,
    probe: Arc<Probe>,
    recoveries: watch::Sender<u64>,
    metrics: Metrics,
    connected: AtomicBool,
    /// The hub is asked while this is locked, never the other way round.
    standing: Mutex<Standing>,
}

/// What Redis has confirmed, and who waits for it to confirm more.
#[derive(Default)]
struct Standing {
    confirmed: HashSet<Group>,
    waiting: HashMap<Group, Vec<oneshot::Sender<()>>>,
    /// Groups whose subscribers went on without a confirmation.
    late: HashSet<Group>,
}

impl Subscriber {
    pub(super) fn new(
        client: redis::Client,
        hub: Arc<Hub>,
        changes: Arc<Changes>,
        probe: Arc<Probe>,
        recoveries: watch::Sender<u64>,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            hub,
            changes,
            probe,
            recoveries,
            metrics,
            connected: AtomicBool::new(false),
            standing: Mutex::default(),
        }
    }

    /// Returns whether every wanted group was subscribed to since the last outage.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Returns what to wait for until the group is confirmed; nothing if it is.
    pub(super) fn confirmation(&self, group: Group) -> Option<oneshot::Receiver<()>> {
        let mut standing = self.standing.lock();
        if standing.confirmed.contains(&group) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        standing.waiting.entry(group).or_default().push(sender);
        Some(receiver)
    }

    /// Remembers that somebody stopped waiting for the group's confirmation.
    pub(super) fn expect_late(&self, group: Group) {
        let mut standing = self.standing.lock();
        if standing.confirmed.contains(&group) {
            drop(standing);
            self.recovered();
        } else {
            standing.late.insert(group);
        }
    }

    /// Stays connected until the task is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut delay = FIRST_DELAY;
        loop {
            let connecting = timeout(super::CONNECT_LIMIT, self.client.get_async_pubsub());
            let end: BoxError = match connecting.await {
                Ok(Ok(connection)) => {
                    let (sink, stream) = connection.split();
                    self.probe.listen_anew();
                    let end = tokio::select! {
                        end = self.listen(stream) => end,
                        end = self.tend(sink) => end,
                        end = self.watch_for_deafness() => end,
                    };
                    if self.disconnected() {
                        delay = FIRST_DELAY;
                        tracing::warn!(cause = %end, "the connection to Redis ended");
                    }
                    end
                }
                Ok(Err(error)) => error.into(),
                Err(elapsed) => elapsed.into(),
            };
            tracing::debug!(cause = %end, "connecting to Redis again");
            sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Delivers what arrives. The client's own buffer is unbounded, so this never
    /// waits for anything else.
    async fn listen(&self, mut stream: PubSubStream) -> BoxError {
        while let Some(message) = stream.next().await {
            let bytes = message.get_payload_bytes();
            match message.get_channel_name() {
                probe::CHANNEL => self.probe.heard(bytes),
                name => {
                    self.metrics.payloads_received.inc();
                    self.hub.deliver(name, &wire::decode(bytes));
                }
            }
        }
        "the server closed it".into()
    }

    /// Subscribes and unsubscribes as the hub changes.
    async fn tend(&self, mut sink: PubSubSink) -> BoxError {
        if let Err(error) = sink.subscribe(probe::CHANNEL).await {
            return error.into();
        }
        let mut changed = self.hub.all();
        changed.extend(self.changes.take());
        loop {
            if let Err(error) = self.follow(&mut sink, &changed).await {
                return error;
            }
            if !self.connected.swap(true, Ordering::Relaxed) {
                self.metrics.subscriber_connected.set(1);
                self.metrics.subscriber_reconnections.inc();
                tracing::info!(groups = changed.len(), "subscribed through Redis");
                self.recovered();
            }
            self.changes.some.notified().await;
            changed = self.changes.take();
        }
    }

    async fn follow(&self, sink: &mut PubSubSink, changed: &[Group]) -> Result<(), BoxError> {
        let (wanted, unwanted) = self.differences(changed);
        for batch in unwanted.chunks(BATCH) {
            timeout(CONFIRM_LIMIT, sink.unsubscribe(names(batch))).await??;
        }
        for batch in wanted.chunks(BATCH) {
            timeout(CONFIRM_LIMIT, sink.subscribe(names(batch))).await??;
            self.confirm(batch);
        }
        Ok(())
    }

    /// Returns the groups to subscribe to and those to leave. The latter count as
    /// unconfirmed from here on: somebody who joins one now has to wait.
    fn differences(&self, changed: &[Group]) -> (Vec<Group>, Vec<Group>) {
        let mut standing = self.standing.lock();
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for group in changed {
            if self.hub.has(group) {
                if !standing.confirmed.contains(group) {
                    wanted.push(group.clone());
                }
            } else {
                standing.waiting.remove(group);
                standing.late.remove(group);
                if standing.confirmed.remove(group) {
                    unwanted.push(group.clone());
                }
            }
        }
        (wanted, unwanted)
    }

    fn confirm(&self, groups: &[Group]) {
        let mut late = false;
        let mut standing = self.standing.lock();
        for group in groups {
            late |= standing.late.remove(group);
            for waiting in standing.waiting.remove(group).unwrap_or_default() {
                // Whoever waited may have stopped waiting.
                let _ = waiting.send(());
            }
            standing.confirmed.insert(group.clone());
        }
        drop(standing);
        if late {
            self.recovered();
        }
    }

    async fn watch_for_deafness(&self) -> BoxError {
        let mut ticks = interval(Duration::from_millis(250));
        loop {
            ticks.tick().await;
            if self.probe.is_deaf() {
                return "it has gone deaf: probes are published and not heard".into();
            }
        }
    }

    /// Forgets what was confirmed. Returns whether anything had been.
    fn disconnected(&self) -> bool {
        self.standing.lock().confirmed.clear();
        self.metrics.subscriber_connected.set(0);
        self.connected.swap(false, Ordering::Relaxed)
    }

    fn recovered(&self) {
        self.recoveries.send_modify(|count| *count += 1);
    }
}

fn names(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(Group::name).collect()
}
