//! The [`Roster`] is the table of the sessions of this process. Through it one timer, one
//! position check and one shutdown reach all of them.
//!
//! It bounds how many sessions there are, in all and for each user.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::model::AccountPosition;
use super::ping_wheel::PingWheel;
use super::session_handle::{OpeningToken, SessionHandle, Signal};
use crate::events::Revocation;
use crate::ids::UserId;
use crate::settings::Socket;
use crate::telemetry::Metrics;

/// The table of the sessions of this process. A cheap handle.
#[derive(Clone)]
pub struct Roster(Arc<Table>);

struct Table {
    /// No user without a session is in it.
    ///
    /// While it is locked: no await, and no other lock but what waking a task
    /// takes.
    sessions: Mutex<HashMap<UserId, Vec<Arc<SessionHandle>>>>,
    /// How many sessions there are; written only while they are locked.
    count: AtomicUsize,
    bounds: Socket,
    next_number: AtomicU64,
    pings: PingWheel,
    is_closing: AtomicBool,
    metrics: Metrics,
}

/// Why a session cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtCapacity {
    /// The user has as many sessions here as they may.
    ForUser,
    /// The instance has as many sessions as it may.
    ForInstance,
}

impl Roster {
    /// Returns an empty table of bounded size.
    pub fn new(bounds: Socket, metrics: Metrics) -> Self {
        Self(Arc::new(Table {
            sessions: Mutex::default(),
            count: AtomicUsize::new(0),
            bounds,
            next_number: AtomicU64::new(0),
            pings: PingWheel::new(bounds.ping),
            is_closing: AtomicBool::new(false),
            metrics,
        }))
    }

    /// Registers a session that is opened with this token. It stays in the table until its
    /// registration is dropped.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`] if there are as many sessions as may be.
    pub(super) fn register(&self, user: UserId, token: OpeningToken) -> Result<Registration, AtCapacity> {
        let number = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(SessionHandle::new(user, token, number));
        let is_first = {
            let mut sessions = self.0.sessions.lock();
            if sessions.get(&user).is_some_and(|own| own.len() >= self.0.bounds.max_sockets_by_person) {
                return Err(AtCapacity::ForUser);
            }
            if self.count() >= self.0.bounds.max_sockets {
                return Err(AtCapacity::ForInstance);
            }
            let own = sessions.entry(user).or_default();
            own.push(session.clone());
            self.0.count.fetch_add(1, Ordering::Relaxed);
            own.len() == 1
        };
        self.0.pings.add(&session);
        self.0.metrics.sockets.inc();
        if is_first {
            self.0.metrics.people_connected.inc();
        }
        // A session that is registered after the last step of a shutdown closes at once.
        if self.is_closing() {
            session.signal(Signal::Restart);
        }
        Ok(Registration { roster: self.clone(), session })
    }

    /// Returns the bounds of sockets.
    pub(super) fn bounds(&self) -> &Socket {
        &self.0.bounds
    }

    /// Returns the sessions by the moment at which each is pinged.
    pub(super) fn pings(&self) -> &PingWheel {
        &self.0.pings
    }

    /// Returns the number of sessions.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Returns every user who has a session here.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.0.sessions.lock().keys().copied().collect()
    }

    /// Calls `act` with every session, while the table is locked: it must not wait.
    pub(super) fn for_each(&self, act: impl FnMut(&Arc<SessionHandle>)) {
        self.0.sessions.lock().values().flatten().for_each(act);
    }

    /// Closes the sessions of a user that were opened with a revoked token.
    pub(super) fn revoke(&self, revocation: Revocation) {
        let sessions = self.0.sessions.lock();
        for session in sessions.get(&revocation.user).into_iter().flatten() {
            let is_of_sign_in = revocation.sign_in == Some(session.token.sign_in);
            if session.token.issued_at < revocation.before || is_of_sign_in {
                session.signal(Signal::Revoked);
            }
        }
    }

    /// Compares the sessions of these users with their account positions; a user without
    /// one does not exist any more.
    ///
    /// Closes the sessions whose account does not permit their token, signals each of the
    /// others to heal whose feed is not at the last number of its inbox, and returns how many
    /// of these there are.
    pub(super) fn compare(&self, users: &[UserId], positions: &[AccountPosition]) -> usize {
        let positions: HashMap<_, _> = positions.iter().map(|position| (position.user, position)).collect();
        let sessions = self.0.sessions.lock();
        let mut behind = 0;
        for user in users {
            for session in sessions.get(user).into_iter().flatten() {
                let Some(position) = positions.get(user).filter(|it| it.permits(&session.token)) else {
                    session.signal(Signal::Revoked);
                    continue;
                };
                if session.sent().is_some_and(|sent| sent != position.last_seq) {
                    session.signal(Signal::Heal);
                    behind += 1;
                }
            }
        }
        behind
    }

    /// Returns whether sessions are being closed because the instance stops.
    pub fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Relaxed)
    }

    /// Has every session that is registered from now on close at once.
    pub(super) fn set_closing(&self) {
        self.0.is_closing.store(true, Ordering::Relaxed);
    }
}

/// A session's place in the table, which is freed when this is dropped.
pub(super) struct Registration {
    roster: Roster,
    session: Arc<SessionHandle>,
}

impl Deref for Registration {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.session
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Table { sessions, count, pings, metrics, .. } = &*self.roster.0;
        pings.remove(&self.session);
        let mut sessions = sessions.lock();
        count.fetch_sub(1, Ordering::Relaxed);
        let mut was_last = false;
        if let Some(own) = sessions.get_mut(&self.session.user) {
            own.retain(|session| !Arc::ptr_eq(session, &self.session));
            was_last = own.is_empty();
            if was_last {
                sessions.remove(&self.session.user);
            }
        }
        drop(sessions);
        if was_last {
            metrics.people_connected.dec();
        }
        metrics.sockets.dec();
    }
}
