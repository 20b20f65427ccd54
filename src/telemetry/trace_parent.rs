//! A [`TraceParent`] identifies the span that causes another, in any process: the
//! `traceparent` of W3C Trace Context, as sent in request headers and with events.

use std::fmt;

/// A span, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span; never 0.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

impl TraceParent {
    /// The characters of its text.
    pub const LENGTH: usize = 55;

    /// Parses the value of a header. Of a version later than 00 it reads the part that all
    /// versions have in common.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = field(text, 2)?;
        let (trace_id, rest) = field(rest.strip_prefix('-')?, 32)?;
        let (span_id, rest) = field(rest.strip_prefix('-')?, 16)?;
        let (flags, rest) = field(rest.strip_prefix('-')?, 2)?;
        let is_complete = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        if version == "ff" || !is_complete {
            return None;
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }
}

/// Splits off this many hexadecimal digits, which are lowercase in the standard.
fn field(text: &str, digits: usize) -> Option<(&str, &str)> {
    let (field, rest) = text.split_at_checked(digits)?;
    field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some((field, rest))
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, is_sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn formatting_reverses_parsing() {
        let parent = TraceParent {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span_id: 0xb7ad_6b71_6920_3331,
            is_sampled: true,
        };
        assert_eq!(TraceParent::parse(TEXT), Some(parent));
        assert_eq!(parent.to_string(), TEXT);
        assert_eq!(TEXT.len(), TraceParent::LENGTH);
        let smallest = TraceParent { trace_id: 1, span_id: 1, is_sampled: false };
        assert_eq!(TraceParent::parse(&smallest.to_string()), Some(smallest));
    }

    #[test]
    fn later_versions_and_other_flags_are_accepted() {
        let expected = TraceParent::parse(TEXT);
        for (from, to) in [("00-0a", "01-0a"), ("00-0a", "fe-0a"), ("31-01", "31-ff"), ("31-01", "31-03")] {
            assert_eq!(TraceParent::parse(&TEXT.replacen(from, to, 1)), expected);
        }
        assert_eq!(TraceParent::parse(&format!("{}-more", TEXT.replacen("00-", "01-", 1))), expected);
        let unsampled = TraceParent::parse(&TEXT.replacen("31-01", "31-02", 1));
        assert_eq!(unsampled.map(|parent| parent.is_sampled), Some(false));
    }

    #[test]
    fn malformed_values_are_rejected() {
        let cut = &TEXT[..TEXT.len() - 1];
        for text in [
            "",
            cut,
            &format!("{TEXT}0"),
            &format!("{TEXT}-more"),
            &format!(" {TEXT}"),
            &format!("{}0", TEXT.replacen("00-", "01-", 1)),
            &TEXT.replacen("00-", "ff-", 1),
            &TEXT.replacen("0af7", "0AF7", 1),
            &TEXT.replacen("0af7", "+af7", 1),
            &TEXT.replacen("0af7", "0ag7", 1),
            &TEXT.replacen("0af7", "0äf", 1),
            &TEXT.replacen('-', "_", 1),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text:?}");
        }
    }
}
