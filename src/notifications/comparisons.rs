//! [`Comparisons`] are the users whose positions are to be compared before their turn, because one
//! of their events may not have been published.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ids::UserId;

/// The users whose positions are to be compared before their turn. A cheap handle.
#[derive(Clone, Default)]
pub struct Comparisons(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// While held: no await, and no other lock is taken.
    requested: Mutex<Requested>,
    added: Notify,
}

/// Whose positions are to be compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requested {
    /// Whether it is everybody's.
    pub(super) all: bool,
    /// The users: no more than have a session here.
    pub(super) users: HashSet<UserId>,
}

impl Comparisons {
    /// Adds users, who must have a session here.
    pub(super) fn request(&self, users: impl IntoIterator<Item = UserId>) {
        self.0.requested.lock().users.extend(users);
        self.0.added.notify_one();
    }

    /// Adds everybody.
    pub(super) fn request_all(&self) {
        self.0.requested.lock().all = true;
        self.0.added.notify_one();
    }

    /// Waits until a user is added, and takes all of them. Nothing is lost if the future is
    /// dropped.
    pub(super) async fn next(&self) -> Requested {
        loop {
            self.0.added.notified().await;
            let requested = std::mem::take(&mut *self.0.requested.lock());
            if requested != Requested::default() {
                return requested;
            }
        }
    }
}
