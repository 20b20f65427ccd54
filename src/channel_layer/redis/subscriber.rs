//! The [`Subscriber`] keeps this process subscribed to exactly the groups of its hub, and
//! delivers what arrives. It connects again after any outage.
//!
//! It compares the groups of the hub with those that Redis has confirmed, instead of
//! executing a list of commands: whatever the order in which subscriptions come and go, the
//! two agree in the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

use super::super::group::Group;
use super::super::hub::Hub;
use super::probe::{self, Probe};
use super::timeouts::CONNECT_TIMEOUT;
use super::wire;
use crate::error::BoxError;
use crate::telemetry::{Degradation, Metrics};

/// Groups in one SUBSCRIBE: large enough that 100,000 take a second.
const BATCH: usize = 1_000;

/// How long Redis may take to confirm a batch. It takes milliseconds, but more when it
/// has just started and many instances subscribe at once.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The bounds of the delay between attempts to connect, which doubles and has a random
/// part. The upper bound keeps the return of Redis from being noticed late; the random part
/// keeps instances from connecting at the same moment.
const MIN_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_millis(500);

/// How often it is checked whether probes are still received.
const CHECK_PERIOD: Duration = Duration::from_millis(250);

/// Groups that got their first subscription or lost their last since [`Changes::take`].
/// There are no more of them than groups.
#[derive(Default)]
pub(super) struct Changes {
    /// While held: no await, and no other lock is taken.
    groups: Mutex<HashSet<Group>>,
    added: Notify,
}

impl Changes {
    /// Adds a group.
    pub(super) fn add(&self, group: &Group) {
        self.groups.lock().insert(group.clone());
        self.added.notify_one();
    }

    /// Removes all groups and returns them.
    fn take(&self) -> Vec<Group> {
        std::mem::take(&mut *self.groups.lock()).into_iter().collect()
    }
}

/// The task that subscribes, and what it shares with those who subscribe.
pub(super) struct Subscriber {
    client: redis::Client,
    hub: Arc<Hub>,
    changes: Arc<Changes>,
    probe: Arc<Probe>,
    recoveries: watch::Sender<u64>,
    metrics: Metrics,
    connected: AtomicBool,
    outage: Degradation,
    /// While held: no await. The hub's lock may be taken while this one is held, never the
    /// other way round.
    confirmations: Mutex<Confirmations>,
}

/// The groups that Redis has confirmed, and those that wait for it.
#[derive(Default)]
struct Confirmations {
    confirmed: HashSet<Group>,
    waiting: HashMap<Group, Vec<oneshot::Sender<()>>>,
    /// Groups whose subscribers went on without a confirmation.
    late: HashSet<Group>,
}

impl Subscriber {
    /// Returns a subscriber to the groups of this hub; [`Subscriber::run`] connects it.
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
            outage: Degradation::default(),
            confirmations: Mutex::default(),
        }
    }

    /// Returns whether every group was subscribed to since the last outage.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Returns what completes when the group is confirmed; nothing if it is already.
    pub(super) fn confirmation(&self, group: Group) -> Option<oneshot::Receiver<()>> {
        let mut confirmations = self.confirmations.lock();
        if confirmations.confirmed.contains(&group) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        confirmations.waiting.entry(group).or_default().push(sender);
        Some(receiver)
    }

    /// Records that a subscriber stopped waiting for the group's confirmation.
    pub(super) fn expect_late(&self, group: Group) {
        let mut confirmations = self.confirmations.lock();
        if confirmations.confirmed.contains(&group) {
            drop(confirmations);
            self.recovered();
        } else {
            confirmations.late.insert(group);
        }
    }

    /// Stays connected until the task is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        let mut delay = MIN_DELAY;
        loop {
            let connecting = timeout(CONNECT_TIMEOUT, self.client.get_async_pubsub());
            let cause: BoxError = match connecting.await {
                Ok(Ok(connection)) => {
                    let (sink, stream) = connection.split();
                    self.probe.reset();
                    let cause = tokio::select! {
                        cause = self.receive(stream) => cause,
                        cause = self.keep_subscribed(sink) => cause,
                        cause = self.until_unresponsive() => cause,
                    };
                    if self.disconnected() {
                        delay = MIN_DELAY;
                    }
                    cause
                }
                Ok(Err(error)) => error.into(),
                Err(elapsed) => elapsed.into(),
            };
            if self.outage.begin() {
                tracing::warn!(
                    cause = %cause,
                    "not subscribed through Redis; events of other instances arrive late"
                );
            } else {
                tracing::debug!(cause = %cause, "connecting to Redis failed again");
            }
            sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            delay = (delay * 2).min(MAX_DELAY);
        }
    }

    /// Delivers what arrives, until the connection ends. The client's own buffer is
    /// unbounded, so this never waits for anything else.
    async fn receive(&self, mut stream: PubSubStream) -> BoxError {
        while let Some(message) = stream.next().await {
            let bytes = message.get_payload_bytes();
            match message.get_channel_name() {
                probe::CHANNEL => self.probe.receive(bytes),
                name => {
                    self.metrics.payloads_received.inc();
                    self.hub.deliver(name, &wire::decode(bytes));
                }
            }
        }
        "connection closed by Redis".into()
    }

    /// Subscribes and unsubscribes as the hub changes, until that fails.
    async fn keep_subscribed(&self, mut sink: PubSubSink) -> BoxError {
        if let Err(error) = sink.subscribe(probe::CHANNEL).await {
            return error.into();
        }
        let mut changed = self.hub.groups();
        changed.extend(self.changes.take());
        loop {
            if let Err(error) = self.apply(&mut sink, &changed).await {
                return error;
            }
            if !self.connected.swap(true, Ordering::Relaxed) {
                self.metrics.subscriber_connected.set(1);
                self.metrics.subscriber_reconnections.inc();
                // The end of an outage, or the first connection.
                self.outage.end();
                tracing::info!(groups = changed.len(), "subscribed through Redis");
                self.recovered();
            }
            self.changes.added.notified().await;
            changed = self.changes.take();
        }
    }

    async fn apply(&self, sink: &mut PubSubSink, changed: &[Group]) -> Result<(), BoxError> {
        let (wanted, unwanted) = self.differences(changed);
        for batch in unwanted.chunks(BATCH) {
            timeout(BATCH_TIMEOUT, sink.unsubscribe(names(batch))).await??;
        }
        for batch in wanted.chunks(BATCH) {
            timeout(BATCH_TIMEOUT, sink.subscribe(names(batch))).await??;
            self.confirm(batch);
        }
        Ok(())
    }

    /// Returns the groups to subscribe to and those to unsubscribe from. The latter count as
    /// unconfirmed from here on: a subscriber that joins one now has to wait.
    fn differences(&self, changed: &[Group]) -> (Vec<Group>, Vec<Group>) {
        let mut confirmations = self.confirmations.lock();
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for group in changed {
            if self.hub.contains(group) {
                if !confirmations.confirmed.contains(group) {
                    wanted.push(group.clone());
                }
            } else {
                confirmations.waiting.remove(group);
                confirmations.late.remove(group);
                if confirmations.confirmed.remove(group) {
                    unwanted.push(group.clone());
                }
            }
        }
        (wanted, unwanted)
    }

    /// Records that Redis has confirmed these groups, and wakes their subscribers.
    fn confirm(&self, groups: &[Group]) {
        let mut late = false;
        let mut waiting = Vec::new();
        {
            let mut confirmations = self.confirmations.lock();
            for group in groups {
                late |= confirmations.late.remove(group);
                waiting.extend(confirmations.waiting.remove(group).into_iter().flatten());
                confirmations.confirmed.insert(group.clone());
            }
        }
        // Not while it is locked: waking a subscriber is what takes longest here.
        for waiting in waiting {
            // The subscriber may have stopped waiting.
            let _ = waiting.send(());
        }
        if late {
            self.recovered();
        }
    }

    /// Waits until probes are published and not received.
    async fn until_unresponsive(&self) -> BoxError {
        let mut ticks = interval(CHECK_PERIOD);
        loop {
            ticks.tick().await;
            if self.probe.is_unresponsive() {
                return "subscription unresponsive: probes are published but not received".into();
            }
        }
    }

    /// Forgets what was confirmed. Returns whether every group had been.
    fn disconnected(&self) -> bool {
        self.confirmations.lock().confirmed.clear();
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
