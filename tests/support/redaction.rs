//! Failing tests print what they compared, whole responses among it. [`redact`] removes the
//! secrets: what `scripts/check-secrets` searches the output for.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::{LazyLock, Once};

use regex::Regex;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The search for secrets, whose patterns are used here too: its lines of a name, a tab and
/// a regular expression.
const SEARCH: &str = include_str!("../../scripts/check-secrets");

/// Every pattern, with the rest of the word that it begins.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let patterns: Vec<_> = SEARCH.lines().filter_map(|line| line.split_once('\t')).collect();
    assert!(patterns.len() >= 10, "scripts/check-secrets lists its patterns in another form: {patterns:?}");
    let patterns: Vec<_> = patterns.iter().map(|(_, pattern)| format!("(?:{pattern})")).collect();
    Regex::new(&format!(r#"(?:{})[^\s"'\\]*"#, patterns.join("|"))).expect("valid patterns")
});

/// Returns the text without its secrets.
pub fn redact(text: &str) -> String {
    SECRET.replace_all(text, REDACTED).into_owned()
}

/// Has every panic of this process reported without secrets. Whatever hands secrets to a test
/// calls this first.
pub fn redact_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprint!("{}", redact(&report(panic))))));
}

/// Returns what the standard library's own hook prints: the message, and the backtrace if
/// `RUST_BACKTRACE` is set.
fn report(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = Backtrace::capture();
    if backtrace.status() != BacktraceStatus::Captured {
        return format!("\nthread '{name}' {panic}\n");
    }
    let backtrace = backtrace.to_string();
    // Below are the frames of the test harness and of the thread.
    let (frames, _) = backtrace.split_once("__rust_begin_short_backtrace").unwrap_or((&backtrace, ""));
    format!("\nthread '{name}' {panic}\nstack backtrace:\n{frames}\n")
}
