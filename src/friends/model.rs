//! Two users in the order in which the row of their friendship names them, and the outcomes of
//! requests. No I/O.

use serde::Serialize;
use utoipa::ToSchema;

use crate::events::Person;
use crate::ids::UserId;

/// The outcome of a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    pub(super) message: &'static str,
}

/// A friend request that was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    pub(super) message: &'static str,
    pub(super) friend: Person,
    /// The friend's id: a client may take the whole response for the friend.
    pub(super) id: UserId,
    /// The friend's username.
    pub(super) username: String,
}

/// Two different users, in ascending order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPair {
    /// The lower id.
    pub low: UserId,
    /// The higher id.
    pub high: UserId,
}

impl UserPair {
    /// Returns the pair of two users; none if they are the same.
    pub fn new(one: UserId, other: UserId) -> Option<Self> {
        (one != other).then(|| Self { low: one.min(other), high: one.max(other) })
    }
}

#[cfg(test)]
mod tests {
    use super::UserPair;
    use crate::ids::UserId;

    #[test]
    fn a_pair_is_the_same_from_both_sides() {
        let [ada, bob] = [1, 2].map(UserId::new);
        assert_eq!(UserPair::new(ada, bob), UserPair::new(bob, ada));
        assert_eq!(UserPair::new(ada, ada), None);
    }
}
