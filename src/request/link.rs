//! A link is an absolute URL of a web page or a picture that is safe to follow. No I/O.

/// The longest link, in characters.
pub const MAX_LINK_CHARS: usize = 500;

/// Returns whether a text is empty, or an absolute link that is safe to follow. Browsers and
/// the parser here ignore control characters in a link; others that read it may not.
pub(super) fn is_link(text: &str) -> bool {
    let has_odd = text.contains(|letter: char| letter.is_control() || letter.is_whitespace());
    text.is_empty()
        || !has_odd
            && url::Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::is_link;

    #[test]
    fn a_link_is_http_or_https() {
        assert!(is_link("https://example.com/a.png"));
        assert!(is_link(""));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "example.com",
            "http://",
            "//example.com",
            "\u{19}https://a.b",
            "https://a.b/\t",
            "http://a b",
        ] {
            assert!(!is_link(text), "{text}");
        }
    }
}
