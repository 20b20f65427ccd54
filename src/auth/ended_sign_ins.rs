//! [`EndedSignIns`] are the sign-ins of a user that were revoked lately, as a column of the user's
//! row has them: every request reads that row. No I/O.

use crate::ids::SignInId;

/// How long a revoked sign-in stays here, in seconds: longer than any access token of it and any socket
/// may be missed for, by an instance that does not reach the database for a day.
const KEPT_FOR_SECONDS: i64 = 86_400;

/// The most that are kept. Refresh tokens of older ones are refused all the same, and their access
/// tokens expire.
const MAX_KEPT: usize = 100;

/// `<id>:<second of Unix time>`, separated by spaces, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedSignIns(String);

impl EndedSignIns {
    /// Returns whether a sign-in is among them.
    pub fn contain(&self, id: SignInId) -> bool {
        // Nearly always there is none.
        !self.0.is_empty() && self.entries().any(|(ended, _)| ended == id)
    }

    /// Returns the column's new value when one more is revoked. Those that are older than
    /// `access_seconds`, the lifetime of access tokens, and a day are left out.
    pub(super) fn with(&self, id: SignInId, now: i64, access_seconds: i64) -> String {
        let oldest = now - KEPT_FOR_SECONDS.max(access_seconds);
        let kept: Vec<_> = self.entries().filter(|(ended, at)| *ended != id && *at >= oldest).collect();
        let surplus = (kept.len() + 1).saturating_sub(MAX_KEPT);
        let all = kept.into_iter().skip(surplus).chain([(id, now)]);
        all.map(|(id, at)| format!("{id}:{at}")).collect::<Vec<_>>().join(" ")
    }

    fn entries(&self) -> impl Iterator<Item = (SignInId, i64)> {
        self.0.split(' ').filter_map(|entry| {
            let (id, at) = entry.split_once(':')?;
            Some((SignInId::parse(id)?, at.parse().ok()?))
        })
    }
}

impl From<String> for EndedSignIns {
    fn from(column: String) -> Self {
        Self(column)
    }
}

#[cfg(test)]
mod tests {
    use super::{EndedSignIns, MAX_KEPT};
    use crate::ids::SignInId;

    #[test]
    fn the_latest_are_kept_for_a_day_and_each_once() {
        let ids: Vec<_> = (0..=MAX_KEPT).map(|_| SignInId::random()).collect();
        let mut ended = EndedSignIns::default();
        assert!(!ended.contain(ids[0]));
        for (second, id) in (1_000..).zip(&ids) {
            ended = ended.with(*id, second, 3_600).into();
        }
        assert!(!ended.contain(ids[0]) && ids[1..].iter().all(|id| ended.contain(*id)));
        let again: EndedSignIns = ended.with(ids[1], 2_000, 3_600).into();
        assert_eq!(again.entries().filter(|(id, _)| *id == ids[1]).count(), 1);
        let later: EndedSignIns = again.with(ids[0], 2_000 + 86_401, 3_600).into();
        assert_eq!(later.entries().count(), 1);
        let with_longer_tokens: EndedSignIns = again.with(ids[0], 2_000 + 86_400, 100_000).into();
        assert_eq!(with_longer_tokens.entries().count(), MAX_KEPT);
    }
}
