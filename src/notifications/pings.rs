//! Pings find clients that are gone without having closed. One timer serves all sessions,
//! a share of them each second, so that no session needs a timer of its own.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::roster::Roster;
use super::session_handle::Signal;
use crate::settings::Socket;

impl Roster {
    /// Has every session pinged once in each period, and closed after too many unanswered
    /// pings, until the future is dropped.
    pub async fn ping_all(self, settings: Socket) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let period_seconds = settings.ping.as_secs().max(1);
        for second in 0_u64.. {
            ticks.tick().await;
            self.for_each(|session| {
                if session.is_pinged_in(second, period_seconds) {
                    let is_unresponsive = session.unanswered_pings() >= settings.unanswered_pings;
                    session.signal(if is_unresponsive { Signal::Unresponsive } else { Signal::Ping });
                }
            });
        }
    }
}
