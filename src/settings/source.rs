//! A [`Source`] returns settings by name, parsed into their types.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::database_url::DatabaseUrl;
use super::invalid_setting::InvalidSetting;
use super::table::SETTINGS;

/// Where settings are looked up. One that is not set has the default of the table.
pub(super) struct Source<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Source<'a> {
    /// Returns a source that looks names up by this function.
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// Returns the value that is set, if it is not blank.
    pub(super) fn optional(&self, name: &'static str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Returns the value that is set, or the default of the table.
    pub(super) fn text(&self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            setting.map(|setting| setting.default.to_owned()).unwrap_or_default()
        })
    }

    /// Returns a whole number in a range.
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

    /// Returns a number from 0 to 1.
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

    /// Returns a count whose default is the number of cores less one, and 1 at least.
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

    /// Returns a time that is set in seconds.
    pub(super) fn seconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, InvalidSetting> {
        self.number(name, range).map(Duration::from_secs)
    }

    /// Returns a time in seconds whose default is 0 in standalone mode, which has no load
    /// balancer.
    pub(super) fn seconds_unless_standalone(
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

    /// Returns a time that is set in milliseconds.
    pub(super) fn milliseconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, InvalidSetting> {
        self.number(name, range).map(Duration::from_millis)
    }

    /// Returns true or false; the default depends on other settings.
    pub(super) fn switch(&self, name: &'static str, default: bool) -> Result<bool, InvalidSetting> {
        match self.optional(name).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "on" | "yes") => Ok(true),
            Some("false" | "0" | "off" | "no") => Ok(false),
            Some(other) => Err(InvalidSetting::new(name, format!("{other:?} is neither true nor false"))),
        }
    }

    /// Returns one of these words.
    pub(super) fn choice(&self, name: &'static str, words: &[&str]) -> Result<String, InvalidSetting> {
        let text = self.text(name);
        if words.contains(&text.as_str()) {
            return Ok(text);
        }
        Err(InvalidSetting::new(name, format!("{text:?} is not one of {}", words.join(", "))))
    }

    /// Returns the entries of a list that is separated by commas, without surrounding
    /// whitespace and without empty ones.
    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        let text = self.text(name);
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// Returns a list of what each entry is parsed into.
    pub(super) fn list_of<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, InvalidSetting> {
        let invalid = |entry: &str, why| InvalidSetting::new(name, format!("{entry:?} {why}"));
        self.list(name).iter().map(|entry| parse(entry).map_err(|why| invalid(entry, why))).collect()
    }

    /// Returns the URL of a database.
    pub(super) fn database_url(&self, name: &'static str) -> Result<DatabaseUrl, InvalidSetting> {
        DatabaseUrl::parse(&self.text(name)).map_err(|why| InvalidSetting::new(name, why))
    }

    /// Returns the URL of a Redis, if one is set.
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

    /// Returns the name of a header, if one is set.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<String>, InvalidSetting> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Ok(Some(text.to_ascii_lowercase()));
        }
        Err(InvalidSetting::new(name, format!("{text:?} is not the name of a header")))
    }

    /// Returns a prefix of names in Redis: it must leave room for theirs.
    pub(super) fn redis_prefix(&self, name: &'static str) -> Result<String, InvalidSetting> {
        let text = self.text(name);
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if text.len() <= 64 && text.bytes().all(is_valid) {
            return Ok(text);
        }
        let rule = "is not at most 64 letters, digits, '_', '-', '.' and ':'";
        Err(InvalidSetting::new(name, format!("{text:?} {rule}")))
    }

    /// Returns an address with a port, if one is set.
    pub(super) fn address(&self, name: &'static str) -> Result<Option<SocketAddr>, InvalidSetting> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        let invalid = |_| {
            InvalidSetting::new(
                name,
                format!("{text:?} is not an address with a port, such as 127.0.0.1:9464"),
            )
        };
        text.parse().map(Some).map_err(invalid)
    }
}
