//! Checks what the clients received against the database and the acknowledged writes.

use super::database::{Sample, StoredEvent, StoredMessages};
use super::fault::{Fault, Forgotten};
use super::history::ClientHistory;
use super::sender::{FailedRequest, RequestLog};
use crate::frame::Identity;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The number of deliveries, and of violations of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that clients accepted.
    pub delivered: u64,
    /// Acknowledged writes that are not in the database, and events that a client did not
    /// get.
    pub lost: u64,
    /// Events that a client accepted twice, under two numbers.
    pub repeated: u64,
    /// Frames that arrived after a later one, under another number than in the inbox, or
    /// after a later message of the same sender.
    pub reordered: u64,
    /// Events of another person.
    pub misdelivered: u64,
    /// Numbers missing in an inbox.
    pub gaps: u64,
    /// Messages that were sent once and are stored twice.
    pub doubled: u64,
    /// Messages without an event, and events without their message.
    pub unmatched: u64,
}

/// Counts violations, given all messages and inboxes, the histories with their owners' indexes, and
/// the times whose writes are gone.
#[must_use]
pub fn count(
    log: &RequestLog,
    messages: &StoredMessages,
    inboxes: &[Vec<StoredEvent>],
    histories: &[(usize, ClientHistory)],
    forgotten: &[Forgotten],
) -> Counts {
    let unmatched = unmatched(messages, inboxes);
    let mut counts = Counts { doubled: messages.doubled, unmatched, ..Counts::default() };
    let owners = owners(inboxes);
    check_inboxes(log, inboxes, forgotten, &mut counts);
    for (person, history) in histories {
        let inbox = &inboxes[*person];
        counts.misdelivered += history.misdelivered;
        counts.reordered += history.reordered;
        counts.delivered += history.accepted.len() as u64;
        let mut seen = HashSet::new();
        for it in &history.accepted {
            // After a restore the ids of messages that are gone are given out again.
            if history.resyncs.contains(&it.seq) {
                seen.clear();
            }
            let unique = matches!(it.identity, Identity::Message(_) | Identity::FriendRequest(_));
            if unique && !seen.insert(it.identity) {
                counts.repeated += 1;
            }
        }
        counts.lost += gaps_before_resync(history);
        let begin = history.resyncs.last().map_or(history.first, |seq| *seq);
        let mut accepted = history.accepted.iter().peekable();
        for stored in inbox.iter().filter(|stored| stored.seq > begin) {
            while accepted.next_if(|it| it.seq < stored.seq).is_some() {}
            match accepted.next_if(|it| it.seq == stored.seq) {
                None => counts.lost += 1,
                Some(it) if it.identity == stored.identity => {}
                Some(it) if owners.get(&it.identity).is_some_and(|owner| owner != person) => {
                    counts.misdelivered += 1;
                }
                Some(_) => counts.reordered += 1,
            }
        }
    }
    counts
}

/// Counts the messages that no inbox has, and those that only an inbox has.
fn unmatched(messages: &StoredMessages, inboxes: &[Vec<StoredEvent>]) -> u64 {
    let message = |stored: &StoredEvent| match stored.identity {
        Identity::Message(id) => Some(id),
        _ => None,
    };
    let events: HashSet<u64> = inboxes.iter().flatten().filter_map(message).collect();
    events.symmetric_difference(&messages.ids).count() as u64
}

/// Returns how often the client skipped a number before its last resync. What it had until then may
/// no longer be in the inbox.
fn gaps_before_resync(history: &ClientHistory) -> u64 {
    let Some(last) = history.resyncs.last() else { return 0 };
    let mut before = history.first;
    let mut gaps = 0;
    for it in history.accepted.iter().take_while(|it| it.seq <= *last) {
        gaps += u64::from(it.seq != before + 1 && !history.resyncs.contains(&it.seq));
        before = it.seq;
    }
    gaps
}

fn owners(inboxes: &[Vec<StoredEvent>]) -> HashMap<Identity, usize> {
    let mut owners = HashMap::new();
    for (person, inbox) in inboxes.iter().enumerate() {
        for stored in inbox {
            if matches!(stored.identity, Identity::Message(_) | Identity::FriendRequest(_)) {
                owners.insert(stored.identity, person);
            }
        }
    }
    owners
}

/// Checks that acknowledged writes are in the inboxes, once and in order.
fn check_inboxes(
    log: &RequestLog,
    inboxes: &[Vec<StoredEvent>],
    forgotten: &[Forgotten],
    counts: &mut Counts,
) {
    let may_be_gone = |at_ms| forgotten.iter().any(|time| time.contains(at_ms));
    let mut seqs: Vec<HashMap<Identity, u64>> = Vec::with_capacity(inboxes.len());
    let mut requests: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for (person, inbox) in inboxes.iter().enumerate() {
        let mut by_identity = HashMap::new();
        for (index, stored) in inbox.iter().enumerate() {
            counts.gaps += u64::from(index > 0 && stored.seq != inbox[index - 1].seq + 1);
            let unique = matches!(stored.identity, Identity::Message(_) | Identity::FriendRequest(_));
            if by_identity.insert(stored.identity, stored.seq).is_some() && unique {
                counts.repeated += 1;
            }
            if let Some(requester) = stored.requester {
                *requests.entry((requester, person)).or_default() += 1;
            }
        }
        seqs.push(by_identity);
    }
    let mut last: HashMap<(usize, usize), u64> = HashMap::new();
    for it in log.acknowledged.iter().filter(|it| !may_be_gone(it.at_ms)) {
        match seqs[it.receiver].get(&Identity::Message(it.id)) {
            None => counts.lost += 1,
            Some(seq) => {
                let before = last.insert((it.sender, it.receiver), *seq);
                counts.reordered += u64::from(before.is_some_and(|before| before > *seq));
            }
        }
    }
    let mut acknowledged: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for it in log.friend_requests.iter().filter(|it| !may_be_gone(it.at_ms)) {
        *acknowledged.entry((it.requester, it.addressee)).or_default() += 1;
    }
    for (pair, count) in acknowledged {
        counts.lost += count.saturating_sub(requests.get(&pair).copied().unwrap_or(0));
    }
}

/// Returns the longest delay until a socket was current, in milliseconds, for each fault;
/// the first entry is for the time before any fault.
///
/// A sample has the last `seq` of every inbox at one moment. A socket's delay is measured
/// from that moment, or from the end of the fault during which it arrived if that was
/// later. `None` means that a socket never became current.
#[must_use]
pub fn delays(
    faults: &[Fault],
    samples: &[Sample],
    histories: &[(usize, ClientHistory)],
) -> Vec<Option<u64>> {
    let mut longest = vec![Some(0); faults.len() + 1];
    for (person, history) in histories {
        for sample in samples {
            let seq = sample.last_seqs[*person];
            if seq <= history.first {
                continue;
            }
            let reached_ms = history.arrival(seq).map(|(_, at_ms)| at_ms);
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

/// How long after a fault's end a request may still fail because of it, for instance one
/// that was waiting for the database.
const AFTERMATH_MS: u64 = 2000;

/// Returns the index of the fault to which a failed request is attributed, as in the
/// result of [`delays`]: one that may fail requests, if there was one while the request
/// was in flight.
#[must_use]
pub fn attribute(faults: &[Fault], failed: &FailedRequest) -> usize {
    let began = faults.partition_point(|fault| fault.begin_ms <= failed.failed_ms);
    let cause = (0..began).rev().take(2).find(|index| {
        let next_ms = faults.get(index + 1).map_or(u64::MAX, |next| next.begin_ms);
        faults[*index].kind.may_fail_requests()
            && failed.sent_ms <= next_ms.max(faults[*index].end_ms + AFTERMATH_MS)
    });
    cause.map_or(began, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::fault::FaultKind;
    use super::super::history::AcceptedEvent;
    use super::super::sender::{Acknowledged, Requested};
    use super::*;

    fn event(seq: u64, id: u64) -> StoredEvent {
        StoredEvent { seq, identity: Identity::Message(id), requester: None }
    }

    fn history(accepted: &[(u64, u64)]) -> ClientHistory {
        let mut history = ClientHistory::default();
        for (seq, id) in accepted {
            history.record(AcceptedEvent { seq: *seq, identity: Identity::Message(*id), at_ms: 10 * seq });
        }
        history
    }

    fn log(acknowledged: &[(usize, u64)]) -> RequestLog {
        let acknowledged = acknowledged.iter().map(|(receiver, id)| Acknowledged {
            sender: 0,
            receiver: *receiver,
            id: *id,
            at_ms: 10 * id,
        });
        RequestLog { acknowledged: acknowledged.collect(), ..RequestLog::default() }
    }

    /// The messages that belong to these inboxes.
    fn messages(inboxes: &[Vec<StoredEvent>]) -> StoredMessages {
        let ids = inboxes.iter().flatten().filter_map(|stored| match stored.identity {
            Identity::Message(id) => Some(id),
            _ => None,
        });
        StoredMessages { ids: ids.collect(), doubled: 0 }
    }

    fn count(
        log: &RequestLog,
        inboxes: &[Vec<StoredEvent>],
        histories: &[(usize, ClientHistory)],
        forgotten: &[Forgotten],
    ) -> Counts {
        super::count(log, &messages(inboxes), inboxes, histories, forgotten)
    }

    #[test]
    fn messages_and_events_without_each_other_are_counted() {
        let inboxes = [vec![event(1, 7), event(2, 8)]];
        let stored = StoredMessages { ids: [8, 9, 10].into(), doubled: 2 };
        let counts = super::count(&log(&[]), &stored, &inboxes, &[], &[]);
        assert_eq!((counts.unmatched, counts.doubled), (3, 2));
    }

    #[test]
    fn a_run_without_violations_counts_only_deliveries() {
        let inboxes = [vec![event(1, 7), event(2, 8)], vec![event(1, 9)]];
        let histories = [(0, history(&[(1, 7), (2, 8)])), (1, history(&[(1, 9)]))];
        let counts = count(&log(&[(0, 7), (1, 9), (0, 8)]), &inboxes, &histories, &[]);
        assert_eq!(counts, Counts { delivered: 3, ..Counts::default() });
    }

    #[test]
    fn an_event_missing_in_the_database_or_on_a_socket_is_lost() {
        let inboxes = [vec![event(1, 7), event(2, 8)]];
        let counts = count(&log(&[(0, 7), (0, 6)]), &inboxes, &[(0, history(&[(2, 8)]))], &[]);
        assert_eq!(counts.lost, 2);
    }

    #[test]
    fn a_friend_request_that_was_not_stored_is_lost() {
        let requester = Some(70);
        let identity = Identity::FriendRequest(3);
        let inboxes = [vec![StoredEvent { seq: 1, identity, requester }]];
        let mut log = RequestLog::default();
        let request = Requested { requester: 70, addressee: 0, at_ms: 10 };
        log.friend_requests.push(request);
        assert_eq!(count(&log, &inboxes, &[], &[]).lost, 0);
        log.friend_requests.extend([request, Requested { at_ms: 20, ..request }]);
        assert_eq!(count(&log, &inboxes, &[], &[]).lost, 2);
        let forgotten = Forgotten { from_ms: 15, until_ms: 25 };
        assert_eq!(count(&log, &inboxes, &[], &[forgotten]).lost, 1);
    }

    #[test]
    fn one_event_under_two_numbers_is_a_repeat() {
        let inboxes = [vec![event(1, 7), event(2, 7)]];
        let counts = count(&log(&[(0, 7)]), &inboxes, &[(0, history(&[(1, 7), (2, 7)]))], &[]);
        assert_eq!(counts.repeated, 2);
    }

    #[test]
    fn misdelivered_and_swapped_events_are_distinguished() {
        let inboxes = [vec![event(1, 7), event(2, 8)], vec![event(1, 9)]];
        let histories = [(0, history(&[(1, 9), (2, 7)]))];
        let counts = count(&log(&[]), &inboxes, &histories, &[]);
        assert_eq!((counts.misdelivered, counts.reordered), (1, 1));
    }

    #[test]
    fn after_an_older_state_only_what_it_does_not_have_may_be_missing() {
        // 8 and 9 are gone, and 8 is given out again, far above.
        let inboxes = [vec![event(101, 7), event(102, 8), event(103, 10)]];
        let forgotten = [Forgotten { from_ms: 75, until_ms: 95 }];
        let log = log(&[(0, 7), (0, 9), (0, 10)]);
        let mut resynced = history(&[(1, 7), (2, 8), (3, 9)]);
        resynced.resync(101, 1000);
        for (seq, id) in [(102, 8), (103, 10)] {
            resynced.record(AcceptedEvent { seq, identity: Identity::Message(id), at_ms: 1000 });
        }
        let counts = count(&log, &inboxes, &[(0, resynced.clone())], &forgotten);
        assert_eq!(counts, Counts { delivered: 6, ..Counts::default() });
        assert_eq!(count(&log, &inboxes, &[(0, resynced.clone())], &[]).lost, 1, "9 was acknowledged");
        // What was skipped before the resync is lost all the same, and what came after it.
        resynced.accepted.remove(1);
        assert_eq!(count(&log, &inboxes, &[(0, resynced.clone())], &forgotten).lost, 1);
        resynced.accepted.pop();
        assert_eq!(count(&log, &inboxes, &[(0, resynced)], &forgotten).lost, 2);
    }

    #[test]
    fn reordered_messages_of_a_sender_and_gaps_are_detected() {
        let inboxes = [vec![event(1, 8), event(3, 7)]];
        let counts = count(&log(&[(0, 7), (0, 8)]), &inboxes, &[], &[]);
        assert_eq!((counts.reordered, counts.gaps), (1, 1));
    }

    #[test]
    fn a_delay_is_measured_from_the_end_of_its_fault() {
        let fault = |begin_ms, end_ms| Fault { kind: FaultKind::RedisKill, begin_ms, end_ms };
        let sample = |at_ms, seq| Sample { at_ms, last_seqs: [seq].into(), lift: 0 };
        let mut history = ClientHistory::default();
        for (seq, at_ms) in [(1, 12), (2, 180), (3, 300)] {
            history.record(AcceptedEvent { seq, identity: Identity::Other, at_ms });
        }
        let samples = [sample(10, 1), sample(110, 2), sample(260, 3), sample(400, 4)];
        let faults = [fault(100, 150), fault(250, 255)];
        assert_eq!(delays(&faults, &samples[..3], &[(0, history.clone())]), [Some(2), Some(30), Some(40)]);
        assert_eq!(delays(&faults, &samples, &[(0, history)])[2], None);
    }

    #[test]
    fn a_failed_request_is_attributed_to_a_fault_that_may_fail_requests() {
        let fault = |kind, begin_ms, end_ms| Fault { kind, begin_ms, end_ms };
        let faults = [fault(FaultKind::PostgresFreeze, 100, 200), fault(FaultKind::RedisFlush, 9000, 9000)];
        let failed = |sent_ms, failed_ms| FailedRequest { sent_ms, failed_ms, cause: "503".to_owned() };
        assert_eq!(attribute(&faults, &failed(10, 20)), 0);
        assert_eq!(attribute(&faults, &failed(150, 160)), 1);
        assert_eq!(attribute(&faults, &failed(8999, 9001)), 1);
        assert_eq!(attribute(&faults, &failed(9500, 9600)), 2);
    }
}
