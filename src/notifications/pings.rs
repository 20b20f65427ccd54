//! Pings find clients that are gone without having closed. One timer serves all sessions of the
//! instance, a share of them at a time, so that no session needs a timer of its own.

use tokio::time::{MissedTickBehavior, interval};

use super::ping_wheel::PingWheel;
use super::roster::Roster;
use super::session_handle::Signal;

impl Roster {
    /// Has every session pinged once in each period, and closed after too many unanswered
    /// pings, until the future is dropped.
    pub async fn ping_all(self) {
        let unanswered_pings = self.bounds().unanswered_pings;
        let mut ticks = interval(PingWheel::STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in 0_u64.. {
            ticks.tick().await;
            self.pings().for_each_in(step, |session| {
                let is_unresponsive = session.unanswered_pings() >= unanswered_pings;
                session.signal(if is_unresponsive { Signal::Unresponsive } else { Signal::Ping });
            });
        }
    }
}
