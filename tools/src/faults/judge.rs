//! The judgement: what the clients have seen, held against what is true.

use super::account::Account;
use super::kind::Kind;
use super::sender::{Book, Failed};
use super::truth::{Kept, Sample};
use crate::frame::Identity;
use std::collections::{BTreeMap, HashMap, HashSet};

/// One fault, as it was carried out.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What it was.
    pub kind: Kind,
    /// When it began.
    pub begin_ms: u64,
    /// When it was over, though not necessarily mended: what was killed may still
    /// be down, and the others must do.
    pub end_ms: u64,
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that clients took.
    pub delivered: u64,
    /// Acknowledged writes that are not in the database, and deliveries that a
    /// client did not get.
    pub lost: u64,
    /// Events that a client took twice, under two numbers.
    pub repeated: u64,
    /// Frames that came after a later one, under another number than in the
    /// inbox, or later than what their sender wrote afterwards.
    pub reordered: u64,
    /// Events of somebody else.
    pub misdelivered: u64,
    /// Numbers that an inbox skips.
    pub holes: u64,
}

/// Counts, given everybody's inbox and the accounts with their owners' indexes.
#[must_use]
pub fn count(book: &Book, inboxes: &[Vec<Kept>], accounts: &[(usize, Account)]) -> Counts {
    let mut counts = Counts::default();
    let owners = owners(inboxes);
    stored(book, inboxes, &mut counts);
    for (person, account) in accounts {
        let inbox = &inboxes[*person];
        counts.misdelivered += account.misdelivered;
        counts.reordered += account.reordered;
        counts.delivered += account.accepted.len() as u64;
        let mut seen = HashSet::new();
        for it in &account.accepted {
            let unique = matches!(it.identity, Identity::Message(_) | Identity::FriendRequest(_));
            if unique && !seen.insert(it.identity) {
                counts.repeated += 1;
            }
        }
        let mut accepted = account.accepted.iter().peekable();
        for kept in inbox.iter().filter(|kept| kept.seq > account.first) {
            while accepted.next_if(|it| it.seq < kept.seq).is_some() {}
            match accepted.next_if(|it| it.seq == kept.seq) {
                None => counts.lost += 1,
                Some(it) if it.identity == kept.identity => {}
                Some(it) if owners.get(&it.identity).is_some_and(|owner| owner != person) => {
                    counts.misdelivered += 1;
                }
                Some(_) => counts.reordered += 1,
            }
        }
    }
    counts
}

fn owners(inboxes: &[Vec<Kept>]) -> HashMap<Identity, usize> {
    let mut owners = HashMap::new();
    for (person, inbox) in inboxes.iter().enumerate() {
        for kept in inbox {
            if matches!(kept.identity, Identity::Message(_) | Identity::FriendRequest(_)) {
                owners.insert(kept.identity, person);
            }
        }
    }
    owners
}

/// Whether what was acknowledged is in the inboxes, once and in its order.
fn stored(book: &Book, inboxes: &[Vec<Kept>], counts: &mut Counts) {
    let mut seqs: Vec<HashMap<Identity, u64>> = Vec::with_capacity(inboxes.len());
    let mut asked: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for (person, inbox) in inboxes.iter().enumerate() {
        let mut by_identity = HashMap::new();
        for (index, kept) in inbox.iter().enumerate() {
            counts.holes += u64::from(index > 0 && kept.seq != inbox[index - 1].seq + 1);
            let unique = matches!(kept.identity, Identity::Message(_) | Identity::FriendRequest(_));
            if by_identity.insert(kept.identity, kept.seq).is_some() && unique {
                counts.repeated += 1;
            }
            if let Some(asker) = kept.asked_by {
                *asked.entry((asker, person)).or_default() += 1;
            }
        }
        seqs.push(by_identity);
    }
    let mut last: HashMap<(usize, usize), u64> = HashMap::new();
    for it in &book.acknowledged {
        match seqs[it.receiver].get(&Identity::Message(it.id)) {
            None => counts.lost += 1,
            Some(seq) => {
                let before = last.insert((it.sender, it.receiver), *seq);
                counts.reordered += u64::from(before.is_some_and(|before| before > *seq));
            }
        }
    }
    for (pair, count) in &book.friend_requests {
        let kept = asked.get(pair).copied().unwrap_or(0);
        counts.lost += count.saturating_sub(kept);
    }
}

/// The longest delays to current, in milliseconds, by the fault that they belong
/// to; the first entry is for the time before any fault.
///
/// A sample says how far everybody's inbox reached at one moment. A socket's delay
/// counts from that moment, or from the end of the fault in which the wait fell.
/// `None`: a socket never got there.
#[must_use]
pub fn delays(faults: &[Fault], samples: &[Sample], accounts: &[(usize, Account)]) -> Vec<Option<u64>> {
    let mut longest = vec![Some(0); faults.len() + 1];
    for (person, account) in accounts {
        for sample in samples {
            let seq = sample.last_seqs[*person];
            if seq <= account.first {
                continue;
            }
            let reached_ms = account.arrival(seq).map(|(_, at_ms)| at_ms);
            let until_ms = reached_ms.unwrap_or(u64::MAX);
            if until_ms <= sample.at_ms {
                continue;
            }
            let index = faults.partition_point(|fault| fault.begin_ms <= until_ms);
            let end_ms = index.checked_sub(1).map_or(0, |index| faults[index].end_ms);
            let delay_ms = reached_ms.map(|at_ms| at_ms.saturating_sub(end_ms.max(sample.at_ms)));
            longest[index] = match (longest[index], delay_ms) {
                (Some(one), Some(other)) => Some(one.max(other)),
                _ => None,
            };
        }
    }
    longest
}

/// Milliseconds after a fault's end during which a request may still fail on its
/// account: one that was waiting for the database, say.
const AFTERMATH_MS: u64 = 2000;

/// Returns the index of the fault that a failed request is put down to, in the
/// numbering of [`delays`]: one that may fail requests, if it was on the way.
#[must_use]
pub fn blame(faults: &[Fault], failed: &Failed) -> usize {
    let began = faults.partition_point(|fault| fault.begin_ms <= failed.failed_ms);
    let excuse = (0..began).rev().take(2).find(|index| {
        let mended_ms = faults.get(index + 1).map_or(u64::MAX, |next| next.begin_ms);
        faults[*index].kind.may_fail_requests()
            && failed.sent_ms <= mended_ms.max(faults[*index].end_ms + AFTERMATH_MS)
    });
    excuse.map_or(began, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::account::Accepted;
    use super::super::sender::Acknowledged;
    use super::*;

    fn kept(seq: u64, id: u64) -> Kept {
        Kept { seq, identity: Identity::Message(id), asked_by: None }
    }

    fn account(accepted: &[(u64, u64)]) -> Account {
        let mut account = Account::default();
        for (seq, id) in accepted {
            account.take(Accepted { seq: *seq, identity: Identity::Message(*id), at_ms: 10 * seq });
        }
        account
    }

    fn book(acknowledged: &[(usize, u64)]) -> Book {
        let acknowledged = acknowledged.iter().map(|(receiver, id)| Acknowledged {
            sender: 0,
            receiver: *receiver,
            id: *id,
        });
        Book { acknowledged: acknowledged.collect(), ..Book::default() }
    }

    #[test]
    fn nothing_is_wrong_when_all_is_well() {
        let inboxes = [vec![kept(1, 7), kept(2, 8)], vec![kept(1, 9)]];
        let accounts = [(0, account(&[(1, 7), (2, 8)])), (1, account(&[(1, 9)]))];
        let counts = count(&book(&[(0, 7), (1, 9), (0, 8)]), &inboxes, &accounts);
        assert_eq!(counts, Counts { delivered: 3, ..Counts::default() });
    }

    #[test]
    fn what_is_missing_in_the_database_or_on_a_socket_is_lost() {
        let inboxes = [vec![kept(1, 7), kept(2, 8)]];
        let counts = count(&book(&[(0, 7), (0, 6)]), &inboxes, &[(0, account(&[(2, 8)]))]);
        assert_eq!(counts.lost, 2);
    }

    #[test]
    fn a_friend_request_that_was_not_kept_is_lost() {
        let asked_by = Some(70);
        let identity = Identity::FriendRequest(3);
        let inboxes = [vec![Kept { seq: 1, identity, asked_by }]];
        let mut book = Book::default();
        book.friend_requests.insert((70, 0), 1);
        assert_eq!(count(&book, &inboxes, &[]).lost, 0);
        book.friend_requests.insert((70, 0), 3);
        assert_eq!(count(&book, &inboxes, &[]).lost, 2);
    }

    #[test]
    fn one_event_under_two_numbers_is_a_repeat() {
        let inboxes = [vec![kept(1, 7), kept(2, 7)]];
        let counts = count(&book(&[(0, 7)]), &inboxes, &[(0, account(&[(1, 7), (2, 7)]))]);
        assert_eq!(counts.repeated, 2);
    }

    #[test]
    fn another_persons_event_and_a_swapped_one_are_told_apart() {
        let inboxes = [vec![kept(1, 7), kept(2, 8)], vec![kept(1, 9)]];
        let accounts = [(0, account(&[(1, 9), (2, 7)]))];
        let counts = count(&book(&[]), &inboxes, &accounts);
        assert_eq!((counts.misdelivered, counts.reordered), (1, 1));
    }

    #[test]
    fn a_sender_overtaken_by_itself_and_a_hole_are_seen() {
        let inboxes = [vec![kept(1, 8), kept(3, 7)]];
        let counts = count(&book(&[(0, 7), (0, 8)]), &inboxes, &[]);
        assert_eq!((counts.reordered, counts.holes), (1, 1));
    }

    #[test]
    fn a_delay_counts_from_the_end_of_its_fault() {
        let fault = |begin_ms, end_ms| Fault { kind: Kind::RedisKill, begin_ms, end_ms };
        let sample = |at_ms, seq| Sample { at_ms, last_seqs: [seq].into() };
        let mut account = Account::default();
        for (seq, at_ms) in [(1, 12), (2, 180), (3, 300)] {
            account.take(Accepted { seq, identity: Identity::Other, at_ms });
        }
        let samples = [sample(10, 1), sample(110, 2), sample(260, 3), sample(400, 4)];
        let faults = [fault(100, 150), fault(250, 255)];
        assert_eq!(delays(&faults, &samples[..3], &[(0, account.clone())]), [Some(2), Some(30), Some(40)]);
        assert_eq!(delays(&faults, &samples, &[(0, account)])[2], None);
    }

    #[test]
    fn a_failed_request_is_put_down_to_a_fault_that_may_fail_one() {
        let fault = |kind, begin_ms, end_ms| Fault { kind, begin_ms, end_ms };
        let faults = [fault(Kind::PostgresFreeze, 100, 200), fault(Kind::RedisFlush, 9000, 9000)];
        let failed = |sent_ms, failed_ms| Failed { sent_ms, failed_ms, cause: "503".to_owned() };
        assert_eq!(blame(&faults, &failed(10, 20)), 0);
        assert_eq!(blame(&faults, &failed(150, 160)), 1);
        assert_eq!(blame(&faults, &failed(8999, 9001)), 1);
        assert_eq!(blame(&faults, &failed(9500, 9600)), 2);
    }
}
