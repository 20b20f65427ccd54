//! A [`Pattern`] names hosts or origins: literal text in which each `*` stands for
//! any number of characters other than `.`, `:` and `/`, that is, for a part of
//! one label or for a port.

/// A text with `*` for what may differ.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; letters match in either case.
    pub fn new(text: &str) -> Self {
        Self { parts: text.to_ascii_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// Returns whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        text.strip_prefix(first.as_str()).is_some_and(|tail| fits(tail, rest))
    }
}

/// Whether `text` is: a wild card, the first part, a wild card, the next part, …
fn fits(text: &str, parts: &[String]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    let reach = text.find(['.', ':', '/']).unwrap_or(text.len());
    (0..=reach)
        .filter_map(|skipped| text.get(skipped..))
        .any(|tail| tail.strip_prefix(part.as_str()).is_some_and(|tail| fits(tail, rest)))
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stays_within_its_label() {
        let preview = Pattern::new("https://numeneon-frontend*.vercel.app");
        assert!(preview.matches("https://numeneon-frontend.vercel.app"));
        assert!(preview.matches("https://numeneon-frontend-git-main.vercel.app"));
        assert!(!preview.matches("https://numeneon-frontend.evil.vercel.app"));
        assert!(!preview.matches("https://numeneon-frontend.vercel.app.evil.com"));
        assert!(!preview.matches("http://numeneon-frontend.vercel.app"));
    }

    #[test]
    fn a_star_stands_for_a_port() {
        let local = Pattern::new("http://localhost:*");
        assert!(local.matches("http://localhost:5173"));
        assert!(!local.matches("http://localhost"));
        assert!(!local.matches("http://localhost.evil.com:5173"));
    }

    #[test]
    fn without_a_star_only_the_text_itself_fits() {
        assert!(Pattern::new("localhost").matches("LOCALHOST"));
        assert!(!Pattern::new("localhost").matches("localhost2"));
    }
}
