//! The [`Hub`] is the table of subscriptions in this process, with the payloads that are
//! queued for each.
//!
//! Delivering never waits. A queue that is full belongs to a reader that is too slow: its
//! subscription ends and its memory is freed, and no other subscription is affected.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::group::Group;
use super::payload::Payload;
use crate::telemetry::Metrics;

/// How much may be queued for one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// The most payloads.
    pub payloads: usize,
    /// The most bytes. A payload that finds the queue empty is accepted whatever its
    /// size, or it could never be delivered.
    pub bytes: usize,
}

/// The subscription has ended because its queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription's queue was full")]
pub struct Overflow;

/// The table of subscriptions in this process.
pub(super) struct Hub {
    /// While held: no await, and no call out of this file. A queue's own lock is
    /// taken only after this one is released.
    groups: Mutex<HashMap<Group, Members>>,
    /// Called with each group that gets its first subscription or loses its last.
    on_change: Box<dyn Fn(&Group) + Send + Sync>,
    metrics: Metrics,
}

/// The subscriptions of a group. They are replaced and not changed, so that delivering copies a
/// pointer; a user has few sockets.
type Members = Arc<[Arc<Mailbox>]>;

/// The queue of one subscription, with what wakes its reader.
struct Mailbox {
    /// While held: no await, and no other lock is taken.
    queue: Mutex<Queue>,
    reader: AtomicWaker,
    capacity: Capacity,
}

#[derive(Default)]
struct Queue {
    payloads: VecDeque<Payload>,
    bytes: usize,
    overflowed: bool,
}

impl Hub {
    pub(super) fn new(metrics: Metrics, on_change: impl Fn(&Group) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { groups: Mutex::default(), on_change: Box::new(on_change), metrics })
    }

    /// Adds a subscription to a group. Payloads delivered to the group from now on
    /// are put into its queue.
    pub(super) fn join(self: &Arc<Self>, group: Group, capacity: Capacity) -> Subscription {
        let mailbox = Arc::new(Mailbox { queue: Mutex::default(), reader: AtomicWaker::new(), capacity });
        let first = {
            let mut groups = self.groups.lock();
            let members = groups.entry(group.clone()).or_default();
            *members = members.iter().chain([&mailbox]).cloned().collect();
            members.len() == 1
        };
        self.metrics.subscriptions.inc();
        if first {
            (self.on_change)(&group);
        }
        Subscription { hub: self.clone(), group, mailbox }
    }

    /// Puts a payload into the queue of each subscription of a group. Returns the number
    /// of subscriptions.
    pub(super) fn deliver(&self, group: &str, payload: &Payload) -> usize {
        let members = match self.groups.lock().get(group) {
            Some(members) => members.clone(),
            None => return 0,
        };
        for mailbox in members.iter() {
            match mailbox.put(payload.clone()) {
                Ok(()) => self.metrics.payloads_delivered.inc(),
                Err(Overflow) => self.metrics.queue_overflows.inc(),
            };
        }
        members.len()
    }

    /// Returns whether the group has a subscription in this process.
    pub(super) fn contains(&self, group: &Group) -> bool {
        self.groups.lock().contains_key(group)
    }

    /// Returns every group that has a subscription in this process.
    pub(super) fn groups(&self) -> Vec<Group> {
        self.groups.lock().keys().cloned().collect()
    }

    fn leave(&self, group: &Group, mailbox: &Arc<Mailbox>) {
        let last = {
            let mut groups = self.groups.lock();
            let Some(members) = groups.get_mut(group) else { return };
            *members = members.iter().filter(|member| !Arc::ptr_eq(member, mailbox)).cloned().collect();
            let last = members.is_empty();
            if last {
                groups.remove(group);
            }
            last
        };
        self.metrics.subscriptions.dec();
        if last {
            (self.on_change)(group);
        }
    }
}

impl Mailbox {
    /// Appends a payload. A queue that overflowed before ignores it.
    fn put(&self, payload: Payload) -> Result<(), Overflow> {
        let mut queue = self.queue.lock();
        if queue.overflowed {
            return Ok(());
        }
        let full = queue.payloads.len() >= self.capacity.payloads
            || (!queue.payloads.is_empty() && queue.bytes + payload.bytes.len() > self.capacity.bytes);
        if full {
            *queue = Queue { overflowed: true, ..Queue::default() };
        } else {
            queue.bytes += payload.bytes.len();
            queue.payloads.push_back(payload);
        }
        drop(queue);
        self.reader.wake();
        if full { Err(Overflow) } else { Ok(()) }
    }
}

/// One listener's bounded queue. It leaves its group when it is dropped.
pub struct Subscription {
    hub: Arc<Hub>,
    group: Group,
    mailbox: Arc<Mailbox>,
}

impl Subscription {
    /// Waits for the next payload. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`Overflow`] once the queue was full; the payloads in it are dropped.
    pub async fn next(&self) -> Result<Payload, Overflow> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Waits for the next payload, as [`Subscription::next`]. One task may wait: the last caller
    /// is woken.
    ///
    /// # Errors
    ///
    /// As [`Subscription::next`].
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Payload, Overflow>> {
        // First, because a payload that came before the registration would wake nobody.
        self.mailbox.reader.register(context.waker());
        match self.try_next()? {
            Some(payload) => Poll::Ready(Ok(payload)),
            None => Poll::Pending,
        }
    }

    /// Returns the next payload, if one is queued.
    ///
    /// # Errors
    ///
    /// As [`Subscription::next`].
    pub fn try_next(&self) -> Result<Option<Payload>, Overflow> {
        let mut queue = self.mailbox.queue.lock();
        if queue.overflowed {
            return Err(Overflow);
        }
        let payload = queue.payloads.pop_front();
        if let Some(payload) = &payload {
            queue.bytes -= payload.bytes.len();
        } else if queue.payloads.capacity() > 0 {
            // Most queues are empty most of the time.
            queue.payloads = VecDeque::new();
        }
        Ok(payload)
    }

    /// Waits until the queue overflows, if it ever does.
    pub async fn overflowed(&self) -> Overflow {
        poll_fn(|context| self.poll_overflow(context)).await
    }

    /// Waits until the queue overflows, as [`Subscription::overflowed`]. One task may wait, here
    /// or for a payload.
    pub fn poll_overflow(&self, context: &mut Context<'_>) -> Poll<Overflow> {
        self.mailbox.reader.register(context.waker());
        if self.mailbox.queue.lock().overflowed { Poll::Ready(Overflow) } else { Poll::Pending }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.group, &self.mailbox);
    }
}
