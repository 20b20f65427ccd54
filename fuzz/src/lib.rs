//! What must hold of every parser of untrusted bytes: one function for each, which
//! takes any bytes and panics where a promise is broken.
//!
//! libFuzzer calls them (`scripts/fuzz`), and so do the tests of this crate, with the
//! kept corpus and with what proptest makes up.

#![forbid(unsafe_code)]

pub mod bodies;
pub mod heads;
pub mod sockets;
pub mod stored;
pub mod tokens;

/// A parser and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its folder in the corpus.
    pub name: &'static str,
    /// Gives it bytes.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "token", run: tokens::token },
    Target { name: "json", run: bodies::json },
    Target { name: "form", run: bodies::form },
    Target { name: "multipart", run: bodies::multipart },
    Target { name: "media_type", run: bodies::media_type },
    Target { name: "announcement", run: bodies::announcement },
    Target { name: "query", run: heads::query },
    Target { name: "head", run: heads::head },
    Target { name: "handshake", run: heads::handshake },
    Target { name: "trace_parent", run: heads::trace_parent },
    Target { name: "frame", run: sockets::frame },
    Target { name: "payload", run: sockets::payload },
    Target { name: "hash", run: stored::hash },
    Target { name: "settings", run: stored::settings },
    Target { name: "pattern", run: stored::pattern },
];

/// Returns the target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Splits bytes into lines of text, as many as are asked for; missing ones are empty,
/// and the last one keeps what is left.
fn lines<const N: usize>(bytes: &[u8]) -> Option<[&str; N]> {
    let mut rest = std::str::from_utf8(bytes).ok()?.splitn(N, '\n');
    Some(std::array::from_fn(|_| rest.next().unwrap_or_default()))
}
