//! The [`Subscriber`] keeps this process subscribed to exactly the groups of its hub, and
//! delivers what arrives. It connects again after any outage.
//!
//! It compares the groups of the hub with those that Redis has confirmed, instead of
//! executing a list of commands: whatever the order in which subscriptions come and go, the
//! two agree in the end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

use super::super::group::Group;
use super::super::hub::Hub;
use super::cause::cause;
use super::foreign::Foreign;
use super::probe::{self, Probe};
use super::timeouts::CONNECT_TIMEOUT;
use super::wire::{self, Received};
use crate::db::Installation;
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
    pub(super) client: redis::Client,
    pub(super) installation: Installation,
    pub(super) hub: Arc<Hub>,
    pub(super) changes: Arc<Changes>,
    pub(super) probe: Arc<Probe>,
    pub(super) foreign: Arc<Foreign>,
    /// Counts the times at which the connection is to be replaced.
    pub(super) reconnections: Arc<AtomicU64>,
    pub(super) recoveries: watch::Sender<u64>,
    pub(super) metrics: Metrics,
    pub(super) state: State,
}

/// What the task has come to.
#[derive(Default)]
pub(super) struct State {
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
    /// Returns whether every group was subscribed to since the last outage.
    pub(super) fn is_connected(&self) -> bool {
        self.state.connected.load(Ordering::Relaxed)
    }

    /// Returns why this process is not subscribed, if it is not.
    pub(super) fn cause(&self) -> Option<String> {
        self.state.outage.cause()
    }

    /// Returns what completes when the group is confirmed; nothing if it is already.
    pub(super) fn confirmation(&self, group: Group) -> Option<oneshot::Receiver<()>> {
        let mut confirmations = self.state.confirmations.lock();
        if confirmations.confirmed.contains(&group) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        confirmations.waiting.entry(group).or_default().push(sender);
        Some(receiver)
    }

    /// Records that a subscriber stopped waiting for the group's confirmation.
    pub(super) fn expect_late(&self, group: Group) {
        let mut confirmations = self.state.confirmations.lock();
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
                        cause = self.receive(stream) => Some(cause),
                        cause = self.keep_subscribed(sink) => Some(cause),
                        cause = self.until_unresponsive() => Some(cause),
                        () = self.until_replaced() => None,
                    };
                    if self.disconnected() {
                        delay = MIN_DELAY;
                    }
                    let Some(cause) = cause else { continue };
                    cause
                }
                Ok(Err(error)) => cause(error),
                Err(elapsed) => elapsed.into(),
            };
            if self.state.outage.begin(&cause) {
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
            match self.installation.name_of(message.get_channel_name()) {
                Some(probe::CHANNEL) => self.probe.receive(bytes),
                Some(group) => {
                    self.metrics.payloads_received.inc();
                    match wire::decode(bytes, self.installation.mark()) {
                        Received::Payload(payload) => _ = self.hub.deliver(group, &payload),
                        Received::Foreign => self.foreign.ignored(group),
                    }
                }
                None => {}
            }
        }
        "connection closed by Redis".into()
    }

    /// Subscribes and unsubscribes as the hub changes, until that fails.
    async fn keep_subscribed(&self, mut sink: PubSubSink) -> BoxError {
        if let Err(error) = sink.subscribe(&*self.installation.channel(probe::CHANNEL)).await {
            return cause(error);
        }
        let mut changed = self.hub.groups();
        changed.extend(self.changes.take());
        loop {
            if let Err(error) = self.apply(&mut sink, &changed).await {
                return error;
            }
            if !self.state.connected.swap(true, Ordering::Relaxed) {
                self.metrics.subscriber_connected.set(1);
                self.metrics.subscriber_reconnections.inc();
                // The end of an outage, or the first connection.
                self.state.outage.end();
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
            timeout(BATCH_TIMEOUT, sink.unsubscribe(self.channels(batch))).await??;
        }
        for batch in wanted.chunks(BATCH) {
            timeout(BATCH_TIMEOUT, sink.subscribe(self.channels(batch))).await??;
            self.confirm(batch);
        }
        Ok(())
    }

    /// Returns the groups to subscribe to and those to unsubscribe from. The latter count as
    /// unconfirmed from here on: a subscriber that joins one now has to wait.
    fn differences(&self, changed: &[Group]) -> (Vec<Group>, Vec<Group>) {
        let mut confirmations = self.state.confirmations.lock();
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
            let mut confirmations = self.state.confirmations.lock();
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
                return probe::UNRESPONSIVE.into();
            }
        }
    }

    /// Waits until the connection is to be replaced.
    async fn until_replaced(&self) {
        let before = self.reconnections.load(Ordering::Relaxed);
        let mut ticks = interval(CHECK_PERIOD);
        while self.reconnections.load(Ordering::Relaxed) == before {
            ticks.tick().await;
        }
    }

    /// Forgets what was confirmed. Returns whether every group had been.
    fn disconnected(&self) -> bool {
        self.state.confirmations.lock().confirmed.clear();
        self.metrics.subscriber_connected.set(0);
        self.state.connected.swap(false, Ordering::Relaxed)
    }

    /// Returns the channels of groups.
    fn channels<'a>(&self, groups: &'a [Group]) -> Vec<Cow<'a, str>> {
        groups.iter().map(|group| self.installation.channel(group.name())).collect()
    }

    fn recovered(&self) {
        self.recoveries.send_modify(|count| *count += 1);
    }
}
