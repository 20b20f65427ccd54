//! The [`Roster`] is the table of sessions in this process. It gives them signals,
//! so that one timer, one check and one shutdown serve them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::queries::Standing;
use crate::events::{Revocation, Seq};
use crate::ids::UserId;
use crate::settings::Socket;
use crate::telemetry::Metrics;

/// How many steps a shutdown closes sockets in.
const CLOSING_STEPS: u32 = 50;

/// What stands for the position of a session whose feed does not run yet.
const NOT_STARTED: Seq = -1;

/// The table of sessions in this process. A cheap handle.
#[derive(Clone)]
pub struct Roster(Arc<Table>);

struct Table {
    /// While held: no await, and no call out of this file.
    people: Mutex<HashMap<UserId, Vec<Arc<Entry>>>>,
    /// How many there are; written only while `people` is held.
    count: AtomicUsize,
    bounds: Socket,
    numbers: AtomicU64,
    closing: AtomicBool,
    metrics: Metrics,
}

/// One session, as others reach it.
pub(super) struct Entry {
    user: UserId,
    /// When the token was made that let it in, in Unix time.
    issued_at: i64,
    /// Spreads the pings of many sessions evenly.
    number: u64,
    /// The last number that its feed has passed on.
    sent: AtomicI64,
    unanswered: AtomicU32,
    signals: AtomicU8,
    signalled: Notify,
}

/// Why a session cannot enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The person has as many sessions here as they may.
    ForPerson,
    /// There are as many sessions here as may be.
    ForAnybody,
}

/// What a session is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Compare with the inbox.
    Heal = 1,
    /// Ping the client.
    Ping = 2,
    /// The client answers no pings: close.
    Unresponsive = 4,
    /// The instance stops: close.
    Restart = 8,
    /// What let it in is ended: close.
    Revoked = 16,
}

/// The signals that close a session, the weightiest first.
const CLOSING: [Signal; 3] = [Signal::Revoked, Signal::Restart, Signal::Unresponsive];

impl Roster {
    /// An empty table, of bounded size.
    pub fn new(bounds: Socket, metrics: Metrics) -> Self {
        Self(Arc::new(Table {
            people: Mutex::default(),
            count: AtomicUsize::new(0),
            bounds,
            numbers: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            metrics,
        }))
    }

    /// Enters a session that was let in by a token of this second, in Unix time. It is there
    /// until the place is dropped.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub(super) fn enter(&self, user: UserId, issued_at: i64) -> Result<Place, NoRoom> {
        let entry = Arc::new(Entry {
            user,
            issued_at,
            number: self.0.numbers.fetch_add(1, Ordering::Relaxed),
            sent: AtomicI64::new(NOT_STARTED),
            unanswered: AtomicU32::new(0),
            signals: AtomicU8::new(0),
            signalled: Notify::new(),
        });
        let is_new = {
            let mut people = self.0.people.lock();
            if people.get(&user).is_some_and(|entries| entries.len() >= self.0.bounds.max_sockets_by_person) {
                return Err(NoRoom::ForPerson);
            }
            if self.count() >= self.0.bounds.max_sockets {
                return Err(NoRoom::ForAnybody);
            }
            let entries = people.entry(user).or_default();
            entries.push(entry.clone());
            self.0.count.fetch_add(1, Ordering::Relaxed);
            entries.len() == 1
        };
        self.0.metrics.sockets.inc();
        if is_new {
            self.0.metrics.people_connected.inc();
        }
        // A session that enters behind the last step of a shutdown closes at once.
        if self.is_closing() {
            entry.signal(Signal::Restart);
        }
        Ok(Place { roster: self.clone(), entry })
    }

    /// Returns whether sessions are being closed because the instance stops.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Returns everybody who has a session here.
    pub(super) fn people(&self) -> Vec<UserId> {
        self.0.people.lock().keys().copied().collect()
    }

    /// Closes the sessions of somebody that were let in by a token made before this second, in
    /// Unix time.
    pub(super) fn end(&self, ended: Revocation) {
        let people = self.0.people.lock();
        for entry in people.get(&ended.user).into_iter().flatten() {
            if entry.issued_at < ended.before {
                entry.signal(Signal::Revoked);
            }
        }
    }

    /// Closes the sessions of these people that are let in no more, tells each of the others
    /// to heal whose feed is elsewhere than the inbox, and returns how many these were.
    pub(super) fn compare(&self, asked: &[UserId], standings: &[Standing]) -> usize {
        let standings: HashMap<_, _> = standings.iter().map(|standing| (standing.user, standing)).collect();
        let people = self.0.people.lock();
        let mut behind = 0;
        for user in asked {
            for entry in people.get(user).into_iter().flatten() {
                let Some(standing) = standings.get(user).filter(|it| it.admits(entry.issued_at)) else {
                    entry.signal(Signal::Revoked);
                    continue;
                };
                let sent = entry.sent.load(Ordering::Relaxed);
                if sent != standing.last_seq && sent != NOT_STARTED {
                    entry.signal(Signal::Heal);
                    behind += 1;
                }
            }
        }
        behind
    }

    /// Has every session pinged once in each period, a share of them each second,
    /// until the future is dropped.
    pub async fn ping_all(self, settings: Socket) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let period = settings.ping.as_secs().max(1);
        for second in 0_u64.. {
            ticks.tick().await;
            for entry in self.0.people.lock().values().flatten() {
                if entry.number % period == second % period {
                    let silent = entry.unanswered.load(Ordering::Relaxed) >= settings.unanswered_pings;
                    entry.signal(if silent { Signal::Unresponsive } else { Signal::Ping });
                }
            }
        }
    }

    /// Closes every session, in even steps over this time, so that the clients do
    /// not all come back in one moment.
    pub async fn close_all(&self, spread: Duration) {
        self.0.closing.store(true, Ordering::Relaxed);
        let entries: Vec<_> = self.0.people.lock().values().flatten().cloned().collect();
        let step = entries.len().div_ceil(CLOSING_STEPS as usize).max(1);
        for entries in entries.chunks(step) {
            entries.iter().for_each(|entry| entry.signal(Signal::Restart));
            sleep(spread / CLOSING_STEPS).await;
        }
        for entry in self.0.people.lock().values().flatten() {
            entry.signal(Signal::Restart);
        }
    }

    /// Returns the number of sessions.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }
}

impl Entry {
    fn signal(&self, signal: Signal) {
        self.signals.fetch_or(signal as u8, Ordering::Release);
        self.signalled.notify_one();
    }

    /// Waits for the next signal; the weightiest first. Nothing is lost if the
    /// future is dropped.
    pub(super) async fn next_signal(&self) -> Signal {
        loop {
            for signal in CLOSING.into_iter().chain([Signal::Heal, Signal::Ping]) {
                if self.signals.fetch_and(!(signal as u8), Ordering::Acquire) & signal as u8 != 0 {
                    return signal;
                }
            }
            self.signalled.notified().await;
        }
    }

    /// Waits until the session is told to close, for whatever else it waits too.
    pub(super) async fn told_to_close(&self) -> Signal {
        loop {
            let signals = self.signals.load(Ordering::Acquire);
            for signal in CLOSING {
                if signals & signal as u8 != 0 {
                    return signal;
                }
            }
            self.signalled.notified().await;
        }
    }

    /// Notes how far the feed is.
    pub(super) fn passed_on(&self, seq: Seq) {
        self.sent.store(seq, Ordering::Relaxed);
    }

    /// Notes that a ping was sent.
    pub(super) fn pinged(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the client is there.
    pub(super) fn answered(&self) {
        self.unanswered.store(0, Ordering::Relaxed);
    }
}

/// A session's place in the roster; it leaves when this is dropped.
pub(super) struct Place {
    roster: Roster,
    entry: Arc<Entry>,
}

impl std::ops::Deref for Place {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut people = self.roster.0.people.lock();
        self.roster.0.count.fetch_sub(1, Ordering::Relaxed);
        let mut is_last = false;
        if let Some(entries) = people.get_mut(&self.entry.user) {
            entries.retain(|entry| !Arc::ptr_eq(entry, &self.entry));
            is_last = entries.is_empty();
            if is_last {
                people.remove(&self.entry.user);
            }
        }
        drop(people);
        if is_last {
            self.roster.0.metrics.people_connected.dec();
        }
        self.roster.0.metrics.sockets.dec();
    }
}
