//! A [`PostgresUrl`] is a URL as libpq reads it, which is more than a URL: it may name several
//! hosts, or none.
//!
//! libpq's own messages quote the URL with its password, so what they would be about is found
//! here.

use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};

/// The location of a PostgreSQL database, in any of libpq's forms:
/// `postgres://user:password@host1:5432,host2:5432/database?parameter=value`, or without a host
/// `postgres:///database?host=/var/run/postgresql`.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    text: SecretString,
    /// Where its hosts stand in the text.
    hosts: Range<usize>,
    /// The names of its parameters.
    parameters: Vec<String>,
    /// How many hosts there are, also if a parameter names them.
    count: u32,
}

impl PostgresUrl {
    /// Parses what follows `postgres://`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without quoting it.
    pub(super) fn parse(rest: &str) -> Result<Self, String> {
        if !is_percent_encoded(rest) {
            return Err(
                "contains a % that is not followed by two hexadecimal digits; write %25 for it".into()
            );
        }
        let after_user = match rest.find(['@', '/']) {
            Some(place) if rest[place..].starts_with('@') => &rest[place + 1..],
            _ => rest,
        };
        let (location, query) = after_user.split_once('?').unwrap_or((after_user, ""));
        let hosts = location.split('/').next().unwrap_or_default();
        hosts.split(',').try_for_each(check_host)?;
        let (mut parameters, mut count) = (Vec::new(), hosts.split(',').count());
        for parameter in query.split('&').filter(|_| !query.is_empty()) {
            let Some((name, value)) = parameter.split_once('=').filter(|(_, value)| !value.contains('='))
            else {
                return Err("has a parameter that is not name=value; write %3D for a = in a value".into());
            };
            if matches!(name, "host" | "hostaddr") {
                count = count.max(value.split(',').count());
            }
            parameters.push(name.to_owned());
        }
        let text = format!("postgres://{rest}");
        let begin = text.len() - after_user.len();
        let count = u32::try_from(count).map_err(|_| "names too many hosts")?;
        Ok(Self { text: text.into(), hosts: begin..begin + hosts.len(), parameters, count })
    }

    /// Returns how many hosts it names; 1 if none.
    pub const fn hosts(&self) -> u32 {
        self.count
    }

    /// Returns the hosts and the name of the database. None of a URL that is written such that part
    /// of a password might be taken for them.
    pub fn place(&self) -> Option<&str> {
        let (_, rest) = self.text.expose_secret().split_once("://")?;
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        (!parameters.contains('@') && !place.is_empty()).then_some(place)
    }

    /// Returns the URL for libpq, with each of these parameters that it does not have. Their values
    /// have no characters that a URL encodes. libpq tries the hosts in order; the first `later` of
    /// them come last.
    pub fn complete(&self, defaults: &[(&str, String)], later: usize) -> SecretString {
        let mut text = self.text.expose_secret().to_owned();
        let mut hosts: Vec<&str> = self.text.expose_secret()[self.hosts.clone()].split(',').collect();
        let later = later % hosts.len();
        hosts.rotate_left(later);
        text.replace_range(self.hosts.clone(), &hosts.join(","));
        let mut separator = if self.parameters.is_empty() { '?' } else { '&' };
        for (name, value) in defaults {
            if !self.parameters.iter().any(|given| given == name) {
                text.push(separator);
                text.push_str(&format!("{name}={value}"));
                separator = '&';
            }
        }
        text.into()
    }
}

/// Checks a host with its port, both of which may be absent.
fn check_host(host: &str) -> Result<(), String> {
    let port = match host.strip_prefix('[') {
        Some(address) => match address.split_once(']') {
            Some((address, "")) if !address.is_empty() => None,
            Some((address, rest)) if !address.is_empty() && rest.starts_with(':') => Some(&rest[1..]),
            _ => return Err("has an address in brackets that is not complete".into()),
        },
        None => host.split_once(':').map(|(_, port)| port),
    };
    match port {
        None | Some("") => Ok(()),
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some(_) => Err("has a port that is not a number from 1 to 65535".into()),
    }
}

/// Returns whether each `%` begins the code of a byte other than 0.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let code = rest.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        code.is_some_and(|code| code != "00")
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::PostgresUrl;

    #[test]
    fn every_form_of_libpq_is_accepted_and_completed() {
        for (rest, hosts, parameters) in [
            ("u:p@host/db", 1, "?a=1&b=2"),
            ("u:p@h1:5432,h2:5433/db", 2, "?a=1&b=2"),
            ("u:p@/db?host=/var/run/postgresql", 1, "&a=1&b=2"),
            ("/db?host=h1,h2,h3&b=7", 3, "&a=1"),
            ("%2Fvar%2Frun%2Fpostgresql/db", 1, "?a=1&b=2"),
            ("u:p?w@[::1]:5432,[fe80::1]/db?a=x", 2, "&b=2"),
            ("", 1, "?a=1&b=2"),
        ] {
            let url = PostgresUrl::parse(rest);
            assert_eq!(url.as_ref().map(PostgresUrl::hosts).map_err(Clone::clone), Ok(hosts), "{rest}");
            let complete = url.map(|url| url.complete(&[("a", "1".into()), ("b", "2".into())], 0));
            let complete = complete.map(|complete| complete.expose_secret().to_owned());
            assert_eq!(complete, Ok(format!("postgres://{rest}{parameters}")));
        }
    }

    #[test]
    fn hosts_can_be_tried_in_another_order() {
        let url = PostgresUrl::parse("u:p,q@h1:1,h2,h3:3/db,x?c=1,2");
        let complete = url.map(|url| url.complete(&[], 4).expose_secret().to_owned());
        assert_eq!(complete, Ok("postgres://u:p,q@h2,h3:3,h1:1/db,x?c=1,2".to_owned()));
    }

    #[test]
    fn what_libpq_would_quote_with_its_password_is_refused_without_quoting_it() {
        for rest in ["u:hunter2@h:port/db", "u:hunter2@h:0/db", "u:hunter2@[::1/db", "u:hunter2@[]/db"]
            .into_iter()
            .chain([
                "u:hunter2@h1,h2:70000/db",
                "u:hunter2@[::1]x/db",
                "u:hunter2@h/db?a",
                "u:hunter2@h/db?a=b=c",
            ])
            .chain(["u:hunter2%zz@h/db", "u:hunter2%00@h/db"])
        {
            let why = PostgresUrl::parse(rest).err();
            assert!(why.as_ref().is_some_and(|why| !why.contains("hunter2")), "{rest}: {why:?}");
        }
    }
}
