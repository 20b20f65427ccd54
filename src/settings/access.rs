//! Hosts and origins, as an operator lists them and as browsers send them.
//!
//! An entry that no browser could send is an error, because it would match nothing without a
//! word. Names are in the form of DNS: in lowercase, and international ones in Punycode.

use url::Host;

use super::pattern::Pattern;

/// A name under which the service may be requested.
#[derive(Clone, Debug)]
pub enum HostPattern {
    /// `*`: any.
    Any,
    /// `.example.org`: the domain and whatever is below it.
    Domain(String),
    /// Exactly this name, or one that a `*` in it stands for.
    Name(Pattern),
}

impl HostPattern {
    /// Returns whether a name from a header `Host`, without its port, matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Domain(domain) => {
                let name = name.to_ascii_lowercase();
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Name(pattern) => pattern.matches(name),
        }
    }
}

/// Parses an entry of a list of hosts, which means what it means in Django's `ALLOWED_HOSTS`;
/// a `*` within a name stands for a part of a label.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn host(entry: &str) -> Result<HostPattern, String> {
    if entry == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some(domain) = entry.strip_prefix('.') {
        return match domain.contains('*') {
            true => Err("has a * behind a leading dot, which stands for all subdomains already".into()),
            false => Ok(HostPattern::Domain(name(domain)?)),
        };
    }
    name(entry).map(|name| HostPattern::Name(Pattern::new(&name)))
}

/// Parses an entry of a list of origins: `<scheme>://<host>` or `<scheme>://<host>:<port>`, with
/// `*` for a part of a label or for a port.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn origin(entry: &str) -> Result<Pattern, String> {
    let Some((scheme, rest)) = entry.split_once("://") else {
        return Err("is not an origin, such as https://app.example.org".into());
    };
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return Err("does not begin with a scheme, such as https".into());
    }
    if rest.contains(['/', '?', '#']) {
        return Err("has a path, or a / at its end: an origin ends with its host or its port".into());
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_port = |port: &str| port == "*" || port.parse::<u16>().is_ok() && !port.starts_with('+');
    if port.is_some_and(|port| !is_port(port)) {
        return Err("has a port that is neither a number nor *".into());
    }
    // Browsers leave it out.
    let default_port = match scheme.as_str() {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    };
    let port = port.filter(|port| Some(*port) != default_port);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(Pattern::new(&format!("{scheme}://{}{port}", name(host)?)))
}

/// Returns a name in the form in which browsers send it. A label with a `*` is in it already.
fn name(given: &str) -> Result<String, String> {
    const INVALID: &str = "has no valid host name";
    let given = given.strip_suffix('.').unwrap_or(given);
    if !given.contains('*') {
        return match Host::parse(given) {
            Ok(host) if host.to_string().bytes().all(is_of_a_name) => Ok(host.to_string()),
            _ => Err(INVALID.into()),
        };
    }
    let labels = given.split('.').map(|label| {
        if !label.is_empty() && label.bytes().all(|byte| is_of_a_label(byte) || byte == b'*') {
            return Ok(label.to_ascii_lowercase());
        }
        // A suffix, because a number alone is an address.
        let host = Host::parse(&format!("{label}.x")).map_err(|_| INVALID.to_owned())?.to_string();
        let label =
            host.strip_suffix(".x").filter(|label| !label.is_empty() && label.bytes().all(is_of_a_label));
        label.map(str::to_owned).ok_or_else(|| INVALID.to_owned())
    });
    Ok(labels.collect::<Result<Vec<_>, String>>()?.join("."))
}

const fn is_of_a_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Addresses of version 6 are in brackets.
const fn is_of_a_name(byte: u8) -> bool {
    is_of_a_label(byte) || matches!(byte, b'.' | b'[' | b']' | b':')
}

#[cfg(test)]
mod tests {
    use super::{host, origin};

    #[test]
    fn a_host_means_what_it_means_in_django() {
        for (entry, matching, other) in [
            ("*", vec!["example.org", "[::1]", ""], vec![]),
            (
                ".example.org",
                vec!["example.org", "a.example.org", "a.b.EXAMPLE.org"],
                vec!["aexample.org", "org"],
            ),
            ("Example.org", vec!["example.org", "EXAMPLE.ORG"], vec!["a.example.org", "example.org.evil"]),
            ("example.org.", vec!["example.org"], vec![]),
            ("*.example.org", vec!["a.example.org"], vec!["example.org", "a.b.example.org"]),
            ("bücher.example", vec!["xn--bcher-kva.example"], vec![]),
            ("app-*.bücher.example", vec!["app-1.xn--bcher-kva.example"], vec![]),
            ("127.0.0.1", vec!["127.0.0.1"], vec!["127.0.0.2"]),
            ("[::1]", vec!["[::1]"], vec!["[::2]"]),
        ] {
            let pattern = host(entry).unwrap_or_else(|why| unreachable!("{entry} {why}"));
            assert!(matching.iter().all(|name| pattern.matches(name)), "{entry}");
            assert!(!other.iter().any(|name| pattern.matches(name)), "{entry}");
        }
    }

    #[test]
    fn an_origin_has_the_form_in_which_browsers_send_it() {
        for (entry, sent) in [
            ("https://App.example.org", "https://app.example.org"),
            ("https://app.example.org:443", "https://app.example.org"),
            ("http://app.example.org:80", "http://app.example.org"),
            ("http://app.example.org:443", "http://app.example.org:443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://localhost:*", "http://localhost:5173"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("http://[::1]", "http://[::1]"),
            ("https://*.example.org", "https://a.example.org"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            let pattern = origin(entry).unwrap_or_else(|why| unreachable!("{entry} {why}"));
            assert!(pattern.matches(sent), "{entry} {sent}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_an_error() {
        for entry in [
            "https://app.example.org",
            "app.example.org/",
            "app.example.org:8000",
            "'app.example.org'",
            "\"app.example.org\"",
            "a.example.org;b.example.org",
            "a.example.org b.example.org",
            "user@example.org",
            ".",
            ".*.example.org",
            "a..*",
        ] {
            assert!(host(entry).is_err(), "{entry}");
        }
        for entry in [
            "*",
            "null",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://app.example.org?q",
            "https://app.example.org:",
            "https://app.example.org:x",
            "https://app.example.org:65536",
            "https://app.example.org;https://b.example.org",
            "'https://app.example.org'",
            "https://user@app.example.org",
            "https://",
            "https://:443",
            "://app.example.org",
            "ht tp://app.example.org",
        ] {
            assert!(origin(entry).is_err(), "{entry}");
        }
    }
}
