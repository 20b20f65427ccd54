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

    /// Returns users who have a session here, in the order of their ids: those after a user, or the
    /// first, `limit` at most.
    pub(super) fn users_after(&self, last: Option<UserId>, limit: usize) -> Vec<UserId> {
        let is_after = |user: &UserId| last.is_none_or(|last| *user > last);
        let mut users: Vec<_> = self.0.sessions.lock().keys().copied().filter(is_after).collect();
        users.sort_unstable();
        users.truncate(limit);
        users
    }

    /// Returns those of these users who have a session here.
    pub(super) fn present(&self, users: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
        let sessions = self.0.sessions.lock();
        users.into_iter().filter(|user| sessions.contains_key(user)).collect()
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
    /// others to heal whose feed is not at the last number of its inbox or does not run yet, and
    /// returns how many feeds were found behind.
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
                match session.sent() {
                    Some(sent) if sent == position.last_seq => {}
                    Some(_) => {
                        session.signal(Signal::Heal);
                        behind += 1;
                    }
                    // It is beginning, and may have read its position before this one. It takes the
                    // signal when it runs.
                    None => session.signal(Signal::Heal),
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

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::super::model::AccountPosition;
    use super::super::session_handle::{OpeningToken, Signal};
    use super::Roster;
    use crate::auth::EndedSignIns;
    use crate::ids::{SignInId, UserId};
    use crate::settings::Socket;
    use crate::telemetry::Metrics;

    fn roster() -> Roster {
        let bounds = Socket {
            max_sockets: 10,
            max_sockets_by_person: 10,
            queue_events: 1,
            queue_bytes: 1_024,
            write_timeout: Duration::from_secs(1),
            ping: Duration::from_secs(1),
            unanswered_pings: 1,
            beyond_token: Duration::ZERO,
        };
        Roster::new(bounds, Metrics::default())
    }

    fn token() -> OpeningToken {
        OpeningToken { issued_at: 1, sign_in: SignInId::random(), closed_at: None }
    }

    #[test]
    fn a_session_that_is_beginning_heals_as_soon_as_it_runs() {
        let (roster, user) = (roster(), UserId::new(7));
        let position = AccountPosition {
            user,
            last_seq: 5,
            read_seq: 0,
            is_active: true,
            tokens_valid_from: 0,
            ended_sign_ins: EndedSignIns::default(),
        };
        let beginning = roster.register(user, token()).expect("there is room");
        let current = roster.register(user, token()).expect("there is room");
        current.set_sent(5);
        assert_eq!(roster.compare(&[user], &[position]), 0, "none is known to be behind");
        let signal =
            |session: &super::Registration| poll_fn(|context| session.poll_signal(context)).now_or_never();
        assert_eq!((signal(&beginning), signal(&current)), (Some(Signal::Heal), None));
    }

    #[test]
    fn users_come_in_the_order_of_their_ids() {
        let roster = roster();
        let ids = |numbers: &[i64]| numbers.iter().copied().map(UserId::new).collect::<Vec<_>>();
        let _sessions: Vec<_> =
            ids(&[7, 3, 5]).into_iter().map(|user| roster.register(user, token())).collect();
        assert_eq!(roster.users_after(None, 2), ids(&[3, 5]));
        assert_eq!(roster.users_after(Some(UserId::new(5)), 2), ids(&[7]));
        assert_eq!(roster.present(ids(&[5, 6])), ids(&[5]));
    }
}
