//! A [`Source`] gives settings by name, as the types that they are read into.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::table::SETTINGS;
use super::{DatabaseUrl, Pattern};

/// What is wrong with a setting: one line, which names it.
#[derive(Debug)]
pub struct InvalidSetting {
    name: &'static str,
    why: String,
}

impl InvalidSetting {
    pub(super) fn new(name: &'static str, why: impl fmt::Display) -> Self {
        Self { name, why: why.to_string().replace('\n', " ") }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.why)
    }
}

impl std::error::Error for InvalidSetting {}

/// Where settings are looked up; the table's default stands for what is not there.
pub(super) struct Source<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Source<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// Returns the text that was given, if any and not blank.
    pub(super) fn optional(&self, name: &'static str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Returns the text that was given, or the table's default.
    pub(super) fn text(&self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.to_owned()).unwrap_or_default()
        })
    }

    pub(super) fn number<T>(&self, name: &'static str, range: RangeInclusive<T>) -> Result<T, InvalidSetting>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let text = self.text(name);
        match text.parse::<T>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(InvalidSetting::new(
                name,
                format!("{text:?} is not a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// Returns a part of a whole.
    pub(super) fn ratio(&self, name: &'static str) -> Result<f64, InvalidSetting> {
        let text = self.text(name);
        match text.parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
            _ => Err(InvalidSetting::new(name, format!("{text:?} is not a number from 0 to 1"))),
        }
    }

    /// Returns a count whose default is the number of cores.
    pub(super) fn count_or_cores(
        &self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, InvalidSetting> {
        match self.optional(name) {
            Some(_) => self.number(name, range),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    /// Returns a count whose default leaves one core free, if there is another.
    pub(super) fn count_or_spare_cores(
        &self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, InvalidSetting> {
        match self.optional(name) {
            Some(_) => self.number(name, range),
            None => Ok(self.count_or_cores(name, range)?.saturating_sub(1).max(1)),
        }
    }

    pub(super) fn seconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, InvalidSetting> {
        self.number(name, range).map(Duration::from_secs)
    }

    /// Returns a time that is zero in standalone mode, which has no load balancer, unless it is set.
    pub(super) fn seconds_on_a_server(
        &self,
        name: &'static str,
        default: u64,
        is_standalone: bool,
    ) -> Result<Duration, InvalidSetting> {
        match self.optional(name) {
            Some(_) => self.seconds(name, 0..=300),
            None => Ok(Duration::from_secs(if is_standalone { 0 } else { default })),
        }
    }

    pub(super) fn milliseconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, InvalidSetting> {
        self.number(name, range).map(Duration::from_millis)
    }

    /// Returns `true` or `false`, whose default depends on other settings.
    pub(super) fn switch(&self, name: &'static str, default: bool) -> Result<bool, InvalidSetting> {
        match self.optional(name).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "on" | "yes") => Ok(true),
            Some("false" | "0" | "off" | "no") => Ok(false),
            Some(other) => Err(InvalidSetting::new(name, format!("{other:?} is neither true nor false"))),
        }
    }

    pub(super) fn choice(&self, name: &'static str, known: &[&str]) -> Result<String, InvalidSetting> {
        let text = self.text(name);
        if known.contains(&text.as_str()) {
            return Ok(text);
        }
        Err(InvalidSetting::new(name, format!("{text:?} is not one of {}", known.join(", "))))
    }

    /// Returns the members of a list, without outer white space; empty ones are none.
    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        let text = self.text(name);
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn patterns(&self, name: &'static str) -> Vec<Pattern> {
        self.list(name).iter().map(|part| Pattern::new(part)).collect()
    }

    pub(super) fn database_url(&self, name: &'static str) -> Result<DatabaseUrl, InvalidSetting> {
        DatabaseUrl::parse(&self.text(name)).map_err(|why| InvalidSetting::new(name, why))
    }

    pub(super) fn redis_url(&self, name: &'static str) -> Result<Option<SecretString>, InvalidSetting> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        let url = url::Url::parse(&text)
            .map_err(|error| InvalidSetting::new(name, format!("not a URL: {error}")))?;
        match url.scheme() {
            "redis" => {}
            "rediss" if cfg!(feature = "tls") => {}
            "rediss" => {
                return Err(InvalidSetting::new(name, "rediss:// needs a build with the feature `tls`"));
            }
            other => {
                return Err(InvalidSetting::new(
                    name,
                    format!("{other}:// is neither redis:// nor rediss://"),
                ));
            }
        }
        redis::Client::open(text.as_str()).map_err(|error| InvalidSetting::new(name, error))?;
        Ok(Some(text.into()))
    }

    /// Returns an address with its port, if one was given.
    pub(super) fn address(&self, name: &'static str) -> Result<Option<SocketAddr>, InvalidSetting> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        let wrong = |_| {
            InvalidSetting::new(name, format!("{text:?} is not an address with a port, as 127.0.0.1:9464"))
        };
        text.parse().map(Some).map_err(wrong)
    }
}
