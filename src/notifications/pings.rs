//! Pings find clients that are gone without having closed. One timer serves all sessions of the
//! instance, a share of them at a time, so that no session needs a timer of its own.

use tokio::time::{MissedTickBehavior, interval};

use super::ping_wheel::PingWheel;
use super::roster::Roster;
use super::session_handle::Signal;
use crate::auth::seconds_now;

impl Roster {
    /// Has every session pinged once in each period, and closed after too many unanswered
    /// pings or when it has outlived its token for too long, until the future is dropped.
    pub async fn ping_all(self) {
        let unanswered_pings = self.bounds().unanswered_pings;
        let mut ticks = interval(PingWheel::STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in 0_u64.. {
            ticks.tick().await;
            let now = seconds_now();
            self.pings().for_each_in(step, |session| {
                let is_unresponsive = session.unanswered_pings() >= unanswered_pings;
                let is_over = session.token.closed_at.is_some_and(|second| now >= second);
                session.signal(match (is_unresponsive, is_over) {
                    (true, _) => Signal::Unresponsive,
                    (false, true) => Signal::Expired,
                    (false, false) => Signal::Ping,
                });
            });
        }
    }
}
