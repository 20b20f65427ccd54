//! [`InFlight`] bounds how many requests of one user run at the same time, so that the
//! database's connections are not all one user's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limit::refusal;
use crate::error::Result;
use crate::ids::UserId;
use crate::telemetry::Metrics;

/// How many requests of one user may wait, for each that runs: as many as a page of a browser
/// makes when it is opened, several times over.
const WAITING_FOR_EACH: usize = 16;

/// How long a request waits at most: as long as one for a database connection.
const WAIT: Duration = Duration::from_secs(2);

/// The time after which one that is rejected may be made again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many requests of each user run and wait.
#[derive(Clone)]
pub(super) struct InFlight {
    name: &'static str,
    at_once: usize,
    /// How long a request waits at most.
    wait: Duration,
    users: Arc<Mutex<HashMap<UserId, OfUser>>>,
    metrics: Metrics,
}

/// The requests of one user, of whom there is at least one.
struct OfUser {
    turns: Arc<Semaphore>,
    /// Those that run or wait.
    requests: usize,
}

/// A request's right to run. Dropped, it lets the next one of the same user run.
pub struct Slot {
    user: UserId,
    users: Arc<Mutex<HashMap<UserId, OfUser>>>,
    turn: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// Bounds the requests that run at the same time to this number.
    pub(super) fn new(name: &'static str, at_once: usize, metrics: Metrics) -> Self {
        let at_once = at_once.min(Semaphore::MAX_PERMITS);
        Self { name, at_once, wait: WAIT, users: Arc::default(), metrics }
    }

    /// Waits until a request of this user may run, in the order of their arrival.
    ///
    /// # Errors
    ///
    /// 429 if too many wait already, or after [`WAIT`].
    pub(super) async fn enter(&self, user: UserId) -> Result<Slot> {
        let refused = || refusal(self.name, RETRY_AFTER, &self.metrics);
        let (mut slot, turns) = self.count(user).ok_or_else(refused)?;
        // The semaphore is never closed.
        let turn = timeout(self.wait, turns.acquire_owned()).await.ok().and_then(std::result::Result::ok);
        slot.turn = Some(turn.ok_or_else(refused)?);
        Ok(slot)
    }

    /// Counts a request, unless there are too many.
    fn count(&self, user: UserId) -> Option<(Slot, Arc<Semaphore>)> {
        let mut users = self.users.lock();
        let of_user = users
            .entry(user)
            .or_insert_with(|| OfUser { turns: Arc::new(Semaphore::new(self.at_once)), requests: 0 });
        if of_user.requests >= self.at_once.saturating_mul(1 + WAITING_FOR_EACH) {
            return None;
        }
        of_user.requests += 1;
        let turns = of_user.turns.clone();
        Some((Slot { user, users: self.users.clone(), turn: None }, turns))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut users = self.users.lock();
        if let Some(of_user) = users.get_mut(&self.user) {
            of_user.requests -= 1;
            if of_user.requests == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::{InFlight, WAITING_FOR_EACH};
    use crate::error::Error;
    use crate::ids::UserId;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn requests_of_one_user_wait_for_each_other_and_for_nobody_else() {
        let requests = InFlight::new("requests", 2, Metrics::default());
        let [ada, bob] = [1, 2].map(UserId::new);
        let (first, second) = (requests.enter(ada).await, requests.enter(ada).await);
        assert!(first.is_ok() && second.is_ok());
        let mut third = Box::pin(requests.enter(ada));
        assert!((&mut third).now_or_never().is_none());
        assert!(requests.enter(bob).now_or_never().is_some_and(|slot| slot.is_ok()));
        drop(first);
        assert!(third.now_or_never().is_some_and(|slot| slot.is_ok()));
        drop(second);
        assert!(requests.users.lock().is_empty(), "nothing is kept of users without requests");
    }

    #[tokio::test]
    async fn a_request_that_waits_too_long_or_behind_too_many_is_rejected() {
        let wait = Duration::from_millis(10);
        let requests = InFlight { wait, ..InFlight::new("requests", 1, Metrics::default()) };
        let ada = UserId::new(1);
        let _running = requests.enter(ada).await;
        let mut waiting: Vec<_> = (0..WAITING_FOR_EACH).map(|_| Box::pin(requests.enter(ada))).collect();
        for request in &mut waiting {
            assert!(request.now_or_never().is_none());
        }
        let refused = requests.enter(ada).now_or_never();
        assert!(matches!(refused, Some(Err(Error::RateLimited { retry_after_seconds: 1 }))));
        for request in waiting {
            assert!(matches!(request.await, Err(Error::RateLimited { .. })));
        }
        assert_eq!(requests.users.lock().get(&ada).map(|of_user| of_user.requests), Some(1));
    }
}
