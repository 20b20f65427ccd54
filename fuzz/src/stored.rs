//! Input that is not from clients: stored password hashes, settings, patterns.

use numeneon::fuzzing::{Pattern, Settings, StoredHash};
use numeneon::settings::SETTINGS;

/// Hashes up to this cost are verified, which takes at most a quarter of a millisecond.
const CHEAP_BLOCKS: u64 = 64;
const CHEAP_ROUNDS: u32 = 1_000;

/// A secret that must not be printed. The scheme of a URL cannot contain it.
const SECRET: &str = "hush_hush";

/// A stored password hash: its cost is bounded, and verifying it terminates.
pub fn hash(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(stored) = StoredHash::parse(text) else { return };
    let cheap = match &stored {
        StoredHash::Argon2 { argon2, hash, .. } => {
            let blocks = argon2.params().block_count() as u64;
            let work = blocks * u64::from(argon2.params().t_cost());
            assert!(blocks <= 1 << 20 && work <= 4 << 20, "its cost is within the bound");
            work <= CHEAP_BLOCKS && hash.as_bytes().len() >= 16
        }
        StoredHash::Django { params, .. } => {
            assert!((1_000..=10_000_000).contains(&params.rounds()), "its cost is within the bound");
            params.rounds() <= CHEAP_ROUNDS
        }
    };
    if cheap {
        assert!(!stored.matches(b"a password that nobody has"));
    }
}

/// Settings as lines of `NAME=value`, where `!` in a URL is replaced by a secret. Valid
/// settings are within their bounds, an error is one line, and neither prints the secret.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.to_lowercase().contains(SECRET) {
        // The fuzzer found the secret and may have put it where printing it is permitted.
        return;
    }
    let lookup = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let value = lines.find(|(it, _)| *it == name).map(|(_, value)| value);
        match name {
            // Without a key, a file would be created.
            "SECRET_KEY" => Some(format!("{SECRET} of the thirty-two bytes that it needs")),
            "DATABASE_URL" | "REDIS_URL" => value.map(|value| value.replace('!', SECRET)),
            // Without filters by fields, which a library parses: a repeated one fails an assertion
            // in its debug builds.
            "LOG" => value.map(|value| value.replace('{', "")),
            _ => value.map(str::to_owned),
        }
    };
    match Settings::from_lookup(&lookup) {
        Ok(settings) => {
            assert!((1..=1_000).contains(&settings.database.pool_size));
            assert!((1_024..=16_777_216).contains(&settings.requests.max_body_bytes));
            assert!(settings.access.trusted_proxies <= 16);
            let url = lookup("DATABASE_URL").unwrap_or_default();
            let printed = format!("{settings:?}");
            assert!(url.starts_with("sqlite:") || !printed.contains(SECRET), "{printed}");
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains('\n'), "{error:?}");
            let (name, _) = error.split_once(": ").expect("a name and a reason");
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{error}");
            let url = lookup("DATABASE_URL").unwrap_or_default();
            assert!(url.starts_with("sqlite:") || !error.contains(SECRET), "{error}");
        }
    }
}

/// A pattern and a text, one on each line: the result equals that of a slow and simple
/// implementation of the definition.
pub fn pattern(bytes: &[u8]) {
    let Some([pattern, text]) = crate::lines(bytes) else { return };
    if pattern.len() > 40 || text.len() > 80 {
        return;
    }
    let expected = matches(pattern.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes());
    assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern:?} {text:?}");
}

/// For each byte of the pattern, computes which prefixes of the text match so far.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let is_in_a_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut row: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for symbol in pattern {
        let mut next = vec![false; row.len()];
        for length in 0..row.len() {
            let last = length.checked_sub(1);
            next[length] = match symbol {
                b'*' => row[length] || last.is_some_and(|last| next[last] && is_in_a_label(text[last])),
                symbol => last.is_some_and(|last| row[last] && text[last] == *symbol),
            };
        }
        row = next;
    }
    row[text.len()]
}
