//! A shutdown closes the sessions of this process in even steps, so that their clients do
//! not all connect to other instances in the same moment.

use std::time::Duration;

use tokio::time::sleep;

use super::roster::Roster;
use super::session_handle::Signal;

/// In how many steps sessions are closed: with the default of 5 s, ten times a second.
const STEPS: u32 = 50;

impl Roster {
    /// Closes every session, in even steps over this time. Those that are registered
    /// meanwhile close at once.
    pub async fn close_all(&self, spread: Duration) {
        self.set_closing();
        let mut sessions = Vec::with_capacity(self.count());
        self.for_each(|session| sessions.push(session.clone()));
        let step = sessions.len().div_ceil(STEPS as usize).max(1);
        for sessions in sessions.chunks(step) {
            sessions.iter().for_each(|session| session.signal(Signal::Restart));
            sleep(spread / STEPS).await;
        }
        // A session enters the table first and reads the flag then: one that found it not yet
        // set is in the table by now.
        self.for_each(|session| session.signal(Signal::Restart));
    }
}
