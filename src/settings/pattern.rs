//! A [`Pattern`] matches hosts or origins: literal text in which each `*` matches any number
//! of letters, digits, `-` and `_`, that is, a part of one label or a port. It matches no
//! character that ends a host name in a URL.

/// A text with `*` as a wildcard.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    /// Parses a pattern; letters match in either case.
    pub fn new(text: &str) -> Self {
        Self { parts: text.to_ascii_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// Returns whether all of `text` matches. The time is proportional to its length.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let text = text.as_bytes();
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        // The positions at which a match of the parts so far may end.
        let mut ends = vec![false; text.len() + 1];
        if let Some(end) = ends.get_mut(first.len())
            && text.starts_with(first.as_bytes())
        {
            *end = true;
        }
        for part in rest {
            ends = after_star(text, &ends, part.as_bytes());
        }
        ends.last().is_some_and(|end| *end)
    }
}

/// Returns the positions at which a part may end that follows a `*`, which begins at one of
/// `starts`.
fn after_star(text: &[u8], starts: &[bool], part: &[u8]) -> Vec<bool> {
    let mut ends = vec![false; starts.len()];
    let mut is_within_star = false;
    for (place, starts) in starts.iter().enumerate() {
        is_within_star |= *starts;
        let rest = text.get(place..).unwrap_or_default();
        if is_within_star
            && rest.starts_with(part)
            && let Some(end) = ends.get_mut(place + part.len())
        {
            *end = true;
        }
        is_within_star &= rest.first().is_some_and(|it| it.is_ascii_alphanumeric() || b"-_".contains(it));
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_matches_within_one_label() {
        let preview = Pattern::new("https://numeneon-frontend*.vercel.app");
        assert!(preview.matches("https://numeneon-frontend.vercel.app"));
        assert!(preview.matches("https://numeneon-frontend-git-main.vercel.app"));
        assert!(!preview.matches("https://numeneon-frontend.evil.vercel.app"));
        assert!(!preview.matches("https://numeneon-frontend.vercel.app.evil.com"));
        assert!(!preview.matches("http://numeneon-frontend.vercel.app"));
    }

    #[test]
    fn a_star_matches_a_port() {
        let local = Pattern::new("http://localhost:*");
        assert!(local.matches("http://localhost:5173"));
        assert!(!local.matches("http://localhost"));
        assert!(!local.matches("http://localhost.evil.com:5173"));
        assert!(!local.matches("http://localhost:@evil"));
    }

    #[test]
    fn without_a_star_only_the_text_itself_matches() {
        assert!(Pattern::new("localhost").matches("LOCALHOST"));
        assert!(!Pattern::new("localhost").matches("localhost2"));
    }
}
