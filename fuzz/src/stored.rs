//! What others wrote and this service reads: hashes of passwords, settings, patterns.

use numeneon::settings::SETTINGS;
use numeneon::untrusted::{Pattern, Settings, Stored};

/// No hash takes longer than a tenth of a millisecond to check here.
const CHEAP_BLOCKS: u64 = 64;
const CHEAP_ROUNDS: u32 = 100;

/// Stands for what must not be printed; no scheme of a URL can hold it.
const SECRET: &str = "hush_hush";

/// A stored hash costs at most what one may, and checking it ends.
pub fn hash(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(stored) = Stored::parse(text) else { return };
    let cheap = match &stored {
        Stored::Argon2 { argon2, hash, .. } => {
            let blocks = argon2.params().block_count() as u64;
            let work = blocks * u64::from(argon2.params().t_cost());
            assert!(blocks <= 1 << 20 && work <= 4 << 20, "it costs no more than a hash may");
            work <= CHEAP_BLOCKS && hash.as_bytes().len() >= 16
        }
        Stored::Django { rounds, .. } => {
            assert!((1..=10_000_000).contains(rounds), "it costs no more than a hash may");
            *rounds <= CHEAP_ROUNDS
        }
    };
    if cheap {
        assert!(!stored.fits(b"a password that nobody has"));
    }
}

/// Settings as lines of `NAME=value`, `!` standing for a secret in the URLs. Good ones are
/// within their bounds; what is wrong is said in one line; and neither tells a secret.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.to_lowercase().contains(SECRET) {
        // Found out, and written where none is expected.
        return;
    }
    let lookup = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let value = lines.find(|(it, _)| *it == name).map(|(_, value)| value);
        match name {
            // Without one, a file is made.
            "SECRET_KEY" => Some(format!("{SECRET} of the thirty-two bytes that it needs")),
            "DATABASE_URL" | "REDIS_URL" => value.map(|value| value.replace('!', SECRET)),
            // Without filters by fields, whose parser is a library's: the same one twice fails an
            // assertion that its debug builds make.
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
        Err(wrong) => {
            let wrong = wrong.to_string();
            assert!(!wrong.contains('\n'), "{wrong:?}");
            let (name, _) = wrong.split_once(": ").expect("a name and a reason");
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{wrong}");
            let url = lookup("DATABASE_URL").unwrap_or_default();
            assert!(url.starts_with("sqlite:") || !wrong.contains(SECRET), "{wrong}");
        }
    }
}

/// A pattern and a text, a line each: the pattern fits what a slow and plain reading of
/// its definition says that it fits.
pub fn pattern(bytes: &[u8]) {
    let Some([pattern, text]) = crate::lines(bytes) else { return };
    if pattern.len() > 40 || text.len() > 80 {
        return;
    }
    let fits = fits(pattern.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes());
    assert_eq!(Pattern::new(pattern).matches(text), fits, "{pattern:?} {text:?}");
}

/// A row for each letter of the pattern says which beginnings of the text fit so far.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let is_in_a_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut row: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for letter in pattern {
        let mut next = vec![false; row.len()];
        for length in 0..row.len() {
            let last = length.checked_sub(1);
            next[length] = match letter {
                b'*' => row[length] || last.is_some_and(|last| next[last] && is_in_a_label(text[last])),
                letter => last.is_some_and(|last| row[last] && text[last] == *letter),
            };
        }
        row = next;
    }
    row[text.len()]
}
