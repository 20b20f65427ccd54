//! [`Neighbours`] are the other instances of the installation, as this one hears their heartbeats
//! and as the database shows them.
//!
//! An instance that lives by the database, publishes by its own account, and is not heard here
//! uses another Redis, or is separated from this one. Each of the two then hears itself and
//! takes itself for healthy.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::timeouts::SILENCE_TIMEOUT;
use crate::telemetry::{Degradation, Metrics};

/// How often in a row an instance must be found missing: the database may show an instance that
/// was suspended a moment before its first heartbeat arrives.
const ROUNDS: u32 = 2;

/// How often the connections are replaced while instances are not heard: a new one may lead to
/// the right server, and a subscription to thousands of groups takes a second.
const RECONNECT_PERIOD: Duration = Duration::from_secs(10);

/// After how long without a heartbeat and a row an instance is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The names in a cause; the others are counted.
const MAX_NAMES: usize = 3;

/// Another instance, as the database shows it.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its id in its heartbeats.
    pub id: String,
    /// Whether it publishes through Redis and receives what it publishes, by its own account.
    pub publishes: bool,
    /// How long ago it wrote its row.
    pub age: Duration,
}

/// The other instances of the installation.
pub(super) struct Neighbours {
    /// While held: no await, and no other lock is taken but that of the degradation.
    state: Mutex<State>,
    degradation: Degradation,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Known>,
    reconnected: Option<Instant>,
}

struct Known {
    /// When its last heartbeat was received, or when it was first seen in the database.
    heard: Instant,
    /// How often in a row it was found missing.
    missing: u32,
}

impl Neighbours {
    /// Returns what knows no other instance yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { state: Mutex::default(), degradation: Degradation::default(), metrics }
    }

    /// Records a heartbeat.
    pub(super) fn heard(&self, id: &str) {
        let now = Instant::now();
        let mut state = self.state.lock();
        match state.known.get_mut(id) {
            Some(known) => *known = Known { heard: now, missing: 0 },
            None => drop(state.known.insert(id.to_owned(), Known { heard: now, missing: 0 })),
        }
    }

    /// Begins to count anew how often an instance is missing: this one hears nobody.
    pub(super) fn reset(&self) {
        self.state.lock().known.values_mut().for_each(|known| known.missing = 0);
    }

    /// Compares the heartbeats with the instances that the database shows. Returns whether the
    /// connections to Redis are to be replaced.
    pub(super) fn compare(&self, neighbours: &[Neighbour]) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        let (unheard, silent) = state.missing(neighbours, now);
        self.metrics.instances_unheard.set(i64::try_from(unheard.len() + silent.len()).unwrap_or(i64::MAX));
        let cause = match (&unheard[..], &silent[..]) {
            ([], []) => None,
            ([], _) => Some(format!("{} cannot publish through Redis", listed(&silent))),
            _ => Some(format!("{} not heard through Redis, by the database alive", listed(&unheard))),
        };
        match cause {
            Some(cause) if self.degradation.begin(&cause) => tracing::warn!(
                cause,
                "other instances are not heard through Redis; events between them and this one arrive late"
            ),
            Some(_) => {}
            None if self.degradation.end() => tracing::info!("every instance is heard through Redis again"),
            None => {}
        }
        if unheard.is_empty() {
            state.reconnected = None;
            return false;
        }
        let is_due = state.reconnected.is_none_or(|then| now - then >= RECONNECT_PERIOD);
        if is_due {
            state.reconnected = Some(now);
        }
        is_due
    }

    /// Returns which instances are missing, if any.
    pub(super) fn cause(&self) -> Option<String> {
        self.degradation.cause()
    }
}

impl State {
    /// Returns the instances that are not heard although they publish, and those that do not
    /// publish.
    fn missing<'a>(&mut self, neighbours: &'a [Neighbour], now: Instant) -> (Vec<&'a str>, Vec<&'a str>) {
        let (mut unheard, mut silent) = (Vec::new(), Vec::new());
        for Neighbour { id, publishes, age } in neighbours {
            let known = self.known.entry(id.clone()).or_insert(Known { heard: now, missing: 0 });
            // An instance that has died since its last heartbeat wrote its row before that, or
            // soon after.
            let outlived = now.duration_since(known.heard).saturating_sub(*age);
            if *publishes && outlived <= SILENCE_TIMEOUT {
                known.missing = 0;
                continue;
            }
            known.missing += 1;
            if known.missing >= ROUNDS {
                if *publishes { &mut unheard } else { &mut silent }.push(id.as_str());
            }
        }
        self.known.retain(|id, known| {
            now.duration_since(known.heard) < FORGET_AFTER || neighbours.iter().any(|it| it.id == *id)
        });
        (unheard, silent)
    }
}

/// Returns the instances as a text: a few by the beginning of their id.
fn listed(ids: &[&str]) -> String {
    let names: Vec<_> = ids.iter().take(MAX_NAMES).map(|id| id.get(..8).unwrap_or(id)).collect();
    let more = ids.len().saturating_sub(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("instances {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: &str = "0123456789abcdef";

    /// Returns what is missing at `now` by a row that was written `age` seconds before.
    fn missing(state: &mut State, now: Instant, publishes: bool, age: u64) -> (usize, usize) {
        let neighbours = [Neighbour { id: ID.to_owned(), publishes, age: Duration::from_secs(age) }];
        let (unheard, silent) = state.missing(&neighbours, now);
        (unheard.len(), silent.len())
    }

    #[test]
    fn an_instance_that_lives_on_without_being_heard_is_missing() {
        let (mut state, start) = (State::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(missing(&mut state, at(0), true, 0), (0, 0), "first seen");
        assert_eq!(missing(&mut state, at(3), true, 0), (0, 0));
        assert_eq!(missing(&mut state, at(5), true, 0), (0, 0), "once");
        assert_eq!(missing(&mut state, at(7), true, 1), (1, 0));
        state.known.insert(ID.to_owned(), Known { heard: at(8), missing: 0 });
        assert_eq!(missing(&mut state, at(9), true, 0), (0, 0));
    }

    #[test]
    fn an_instance_that_died_is_not_missing() {
        let (mut state, start) = (State::default(), Instant::now());
        state.known.insert(ID.to_owned(), Known { heard: start, missing: 0 });
        for seconds in 2..10 {
            // Its last row is two seconds younger than its last heartbeat.
            let now = start + Duration::from_secs(seconds);
            assert_eq!(missing(&mut state, now, true, seconds - 2), (0, 0), "after {seconds} s");
        }
    }

    #[test]
    fn an_instance_that_cannot_publish_is_missing_while_that_lasts() {
        let (mut state, now) = (State::default(), Instant::now());
        assert_eq!(missing(&mut state, now, false, 0), (0, 0));
        assert_eq!(missing(&mut state, now, false, 0), (0, 1));
        assert_eq!(missing(&mut state, now, true, 0), (0, 0));
    }

    #[test]
    fn instances_without_heartbeat_and_row_are_forgotten() {
        let (mut state, start) = (State::default(), Instant::now());
        state.known.insert("gone".to_owned(), Known { heard: start, missing: 0 });
        assert_eq!(missing(&mut state, start, true, 0), (0, 0));
        assert_eq!(missing(&mut state, start + FORGET_AFTER, true, 0), (0, 0));
        assert_eq!(state.known.keys().collect::<Vec<_>>(), [ID]);
    }
}
