//! The [`Hub`] is the table of subscriptions in this process: who listens to which
//! group, and what waits for them.
//!
//! Delivering never waits. A queue that is full belongs to a reader that is too
//! slow: its subscription ends and its memory is freed, and nobody else notices.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Group, Payload};
use crate::telemetry::Metrics;

/// How much may wait for one subscription.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Payloads at most.
    pub payloads: usize,
    /// Bytes at most. A payload that finds the queue empty is taken whatever its
    /// size, or it could never be delivered.
    pub bytes: usize,
}

/// The subscription's queue was full: it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subscription's queue was full")]
pub struct Overflow;

/// The table of subscriptions in this process.
pub(super) struct Hub {
    /// While held: no await, and no call out of this file. A queue's own lock is
    /// taken only after this one is given back.
    groups: Mutex<HashMap<Group, Vec<Arc<Mailbox>>>>,
    /// Told of each group that gets its first subscription or loses its last.
    on_change: Box<dyn Fn(&Group) + Send + Sync>,
    metrics: Metrics,
}

struct Mailbox {
    queue: Mutex<Queue>,
    filled: Notify,
    capacity: Capacity,
}

#[derive(Default)]
struct Queue {
    payloads: VecDeque<Payload>,
    bytes: usize,
    overflowed: bool,
}

/// An empty queue keeps room for this many payloads; what a burst took beyond it is
/// given back.
const KEPT_ROOM: usize = 8;

impl Hub {
    pub(super) fn new(metrics: Metrics, on_change: impl Fn(&Group) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { groups: Mutex::default(), on_change: Box::new(on_change), metrics })
    }

    /// Adds a subscription to a group. What is delivered to the group from now on
    /// waits in its queue.
    pub(super) fn join(self: &Arc<Self>, group: Group, capacity: Capacity) -> Subscription {
        let mailbox = Arc::new(Mailbox { queue: Mutex::default(), filled: Notify::new(), capacity });
        let first = {
            let mut groups = self.groups.lock();
            let members = groups.entry(group.clone()).or_default();
            members.push(mailbox.clone());
            members.len() == 1
        };
        self.metrics.subscriptions.inc();
        if first {
            (self.on_change)(&group);
        }
        Subscription { hub: self.clone(), group, mailbox }
    }

    /// Puts a payload into the queue of each subscription of a group. Returns how
    /// many there are.
    pub(super) fn deliver(&self, group: &str, payload: &Payload) -> usize {
        // One person has few sockets: the copy is a few pointers.
        let members = match self.groups.lock().get(group) {
            Some(members) => members.clone(),
            None => return 0,
        };
        for mailbox in &members {
            match mailbox.put(payload.clone()) {
                Ok(()) => self.metrics.payloads_delivered.inc(),
                Err(Overflow) => self.metrics.queue_overflows.inc(),
            };
        }
        members.len()
    }

    /// Returns whether anybody in this process listens to the group.
    pub(super) fn has(&self, group: &Group) -> bool {
        self.groups.lock().contains_key(group)
    }

    /// Returns every group that somebody in this process listens to.
    pub(super) fn all(&self) -> Vec<Group> {
        self.groups.lock().keys().cloned().collect()
    }

    fn leave(&self, group: &Group, mailbox: &Arc<Mailbox>) {
        let last = {
            let mut groups = self.groups.lock();
            let Some(members) = groups.get_mut(group) else { return };
            members.retain(|member| !Arc::ptr_eq(member, mailbox));
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
        self.filled.notify_one();
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
    /// [`Overflow`] once the queue was full; what waited in it is gone.
    pub async fn next(&self) -> Result<Payload, Overflow> {
        loop {
            if let Some(payload) = self.try_next()? {
                return Ok(payload);
            }
            self.mailbox.filled.notified().await;
        }
    }

    /// Returns the next payload if one waits.
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
        } else if queue.payloads.capacity() > KEPT_ROOM {
            queue.payloads.shrink_to(KEPT_ROOM);
        }
        Ok(payload)
    }

    /// Waits until the queue was full, if it ever is.
    pub async fn overflowed(&self) -> Overflow {
        loop {
            if self.mailbox.queue.lock().overflowed {
                return Overflow;
            }
            self.mailbox.filled.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.group, &self.mailbox);
    }
}
