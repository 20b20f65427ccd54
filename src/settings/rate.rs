//! A [`Rate`] is a burst that is refilled evenly over a period.

use std::num::NonZeroU32;
use std::time::Duration;

use super::invalid_setting::InvalidSetting;
use super::source::Source;

/// A burst, refilled evenly over the period: `20/15m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many may be taken at once.
    pub burst: NonZeroU32,
    /// The time in which the whole burst is refilled.
    pub period: Duration,
}

/// The rates of all limits; a limit that is off has none.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Wrong passwords for one email.
    pub failed_logins_by_email: Option<Rate>,
    /// Wrong passwords from one address.
    pub failed_logins_by_address: Option<Rate>,
    /// Passwords, right or wrong, for one email from one address.
    pub logins_by_email_and_address: Option<Rate>,
    /// Sign-ups from one address.
    pub signups_by_address: Option<Rate>,
    /// Messages that one user sends.
    pub messages_by_person: Option<Rate>,
    /// Friend requests that one user makes.
    pub friend_requests_by_person: Option<Rate>,
    /// Requests of one user, on one instance.
    pub requests_by_person: Option<Rate>,
    /// The most requests of one user that run at once, on one instance.
    pub max_requests_by_person: usize,
    /// Posts, replies and stories of one user.
    pub posts_by_person: Option<Rate>,
    /// Likes, shares, views and reactions of one user.
    pub reactions_by_person: Option<Rate>,
    /// Handshakes of sockets from one address, on one instance.
    pub connects_by_address: Option<Rate>,
    /// Frames that one socket sends.
    pub frames_by_socket: Option<Rate>,
}

/// The largest burst and the longest period. A limit beyond them would bound nothing.
const MAX_BURST: u32 = 1_000_000;
const MAX_PERIOD_SECONDS: u64 = 86_400;

impl Rates {
    pub(super) fn read(source: &Source<'_>) -> Result<Self, InvalidSetting> {
        let rate = |name| Rate::parse(&source.text(name)).map_err(|reason| InvalidSetting::new(name, reason));
        Ok(Self {
            failed_logins_by_email: rate("LIMIT_FAILED_LOGINS_BY_EMAIL")?,
            failed_logins_by_address: rate("LIMIT_FAILED_LOGINS_BY_ADDRESS")?,
            logins_by_email_and_address: rate("LIMIT_LOGINS_BY_EMAIL_AND_ADDRESS")?,
            signups_by_address: rate("LIMIT_SIGNUPS_BY_ADDRESS")?,
            messages_by_person: rate("LIMIT_MESSAGES_BY_PERSON")?,
            friend_requests_by_person: rate("LIMIT_FRIEND_REQUESTS_BY_PERSON")?,
            requests_by_person: rate("LIMIT_REQUESTS_BY_PERSON")?,
            max_requests_by_person: source.number("MAX_REQUESTS_BY_PERSON", 1..=1_000_000)?,
            posts_by_person: rate("LIMIT_POSTS_BY_PERSON")?,
            reactions_by_person: rate("LIMIT_REACTIONS_BY_PERSON")?,
            connects_by_address: rate("LIMIT_CONNECTS_BY_ADDRESS")?,
            frames_by_socket: rate("LIMIT_FRAMES_BY_SOCKET")?,
        })
    }
}

impl Rate {
    /// Returns a rate of so many times the burst in the same period.
    pub fn times(self, factor: u32) -> Self {
        let factor = NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN);
        Self { burst: self.burst.saturating_mul(factor), ..self }
    }

    /// Parses a rate, or `off` for none.
    ///
    /// # Errors
    ///
    /// What is wrong, if the text is neither.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "off" {
            return Ok(None);
        }
        let rate = text.split_once('/').and_then(|(burst, period)| {
            let burst = NonZeroU32::new(digits(burst)?).filter(|burst| burst.get() <= MAX_BURST)?;
            Some(Self { burst, period: parse_period(period)? })
        });
        rate.map(Some).ok_or_else(|| {
            format!(
                "{text:?} is neither off nor a rate such as 20/15m: a burst of 1 to {MAX_BURST}, \
                 a period of 1s to 24h (unit s, m or h)"
            )
        })
    }
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    // The parser of Rust accepts a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn parse_period(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    let seconds = seconds.checked_mul(digits(number)?)?;
    (1..=MAX_PERIOD_SECONDS).contains(&seconds).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(u32, u64)> {
        let rate = Rate::parse(text).ok()??;
        Some((rate.burst.get(), rate.period.as_secs()))
    }

    #[test]
    fn a_rate_is_a_burst_and_a_period() {
        assert_eq!(read("20/15m"), Some((20, 900)));
        assert_eq!(read("1/1s"), Some((1, 1)));
        assert_eq!(read("1000000/24h"), Some((1_000_000, 86_400)));
    }

    #[test]
    fn off_is_no_rate() {
        assert_eq!(Rate::parse("off"), Ok(None));
    }

    #[test]
    fn anything_else_is_rejected() {
        for text in [
            "",
            "/",
            "20",
            "20/",
            "20/m",
            "/15m",
            "0/1m",
            "20/0s",
            "+20/15m",
            "20/+15m",
            "-1/1m",
            "1.5/1m",
            "20/15",
            "20/15x",
            "20/25h",
            "1000001/1s",
            "20/15 m",
            "20/15m/3",
            "20/15é",
            "OFF",
            "20/99999999999999999999h",
        ] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
