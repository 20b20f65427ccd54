//! Two people, in the order in which their row names them. No I/O.

use crate::ids::UserId;

/// Two different people, whoever of them asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one of the lower id.
    pub low: UserId,
    /// The one of the higher id.
    pub high: UserId,
}

impl Pair {
    /// Returns the pair of two people; none if they are one.
    pub fn of(one: UserId, other: UserId) -> Option<Self> {
        (one != other).then(|| Self { low: one.min(other), high: one.max(other) })
    }
}

#[cfg(test)]
mod tests {
    use super::Pair;
    use crate::ids::UserId;

    #[test]
    fn a_pair_is_the_same_from_both_sides() {
        let [ada, bob] = [1, 2].map(UserId::new);
        assert_eq!(Pair::of(ada, bob), Pair::of(bob, ada));
        assert_eq!(Pair::of(ada, ada), None);
    }
}
