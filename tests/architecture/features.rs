//! Feature folders have the same four files, so that one reads down a folder for a feature
//! and across a name for a layer.

use super::source::{Source, assert_none, sources};

/// The folders of features. `auth` is none: it has no model of a feature but an
/// authenticator, which `http.rs` calls instead of commands and queries.
pub const FEATURES: [&str; 7] =
    ["accounts", "friends", "messages", "posts", "stories", "integrations", "notifications"];

/// The files of a feature.
const FILES: [&str; 5] = ["mod", "model", "queries", "commands", "http"];

/// Further files of features, with the reason why they are not one of the four.
const OTHERS: [(&str, &str, &str); 27] = [
    ("accounts", "search", "the steps of one query"),
    ("accounts", "username", "what the model is checked with, by tables of Unicode"),
    ("friends", "statements", "what the queries have prepared once"),
    ("integrations", "announcements", "commits announcements, by whether they are stored"),
    ("integrations", "integration", "authenticates a request, as `auth` does for users"),
    ("messages", "insert", "inserts messages with their keys, in each database's way"),
    ("messages", "statements", "what queries and commands have prepared once, as `events` has"),
    ("posts", "statements", "what the queries have prepared once"),
    ("stories", "statements", "what the queries and commands have prepared once"),
    ("notifications", "close_reason", "why a session ends"),
    ("notifications", "closing", "the end of a socket"),
    ("notifications", "feed", "one user's envelopes, replay then live"),
    ("notifications", "frame", "what is sent to a client"),
    ("notifications", "handshake", "what a socket is requested with"),
    ("notifications", "inbound", "what a client sends"),
    ("notifications", "outbox", "what waits to be written to a socket"),
    ("notifications", "ping_wheel", "the sessions by the moment of their ping"),
    ("notifications", "position_check", "a task of the instance"),
    ("notifications", "pings", "a task of the instance"),
    ("notifications", "comparisons", "what the position check does first"),
    ("notifications", "control_listener", "a task of the instance"),
    ("notifications", "roster", "the sessions of this process"),
    ("notifications", "session", "one socket's life"),
    ("notifications", "session_handle", "one session as the roster reaches it"),
    ("notifications", "shared", "what all sessions have in common"),
    ("notifications", "shutdown", "closing every session of the instance"),
    ("notifications", "socket", "the handshake's handler"),
];

/// Returns the feature that a file belongs to.
pub fn feature(source: &Source) -> Option<&str> {
    let (folder, _) = source.below_src().split_once('/')?;
    FEATURES.contains(&folder).then_some(folder)
}

#[test]
fn every_feature_has_the_same_files() {
    let sources = sources("src");
    let mut faults = Vec::new();
    for feature in FEATURES {
        for name in FILES {
            let path = format!("src/{feature}/{name}.rs");
            if !sources.iter().any(|source| source.path == path) {
                faults.push(format!("{path} is missing"));
            }
        }
    }
    for source in &sources {
        let Some(feature) = feature(source) else { continue };
        let is_stated = OTHERS.iter().any(|(folder, name, _)| *folder == feature && *name == source.name());
        if !FILES.contains(&source.name()) && !is_stated {
            faults.push(format!("{} is none of the files of a feature", source.path));
        }
    }
    for (feature, name, _) in OTHERS {
        let path = format!("src/{feature}/{name}.rs");
        if !sources.iter().any(|source| source.path == path) {
            faults.push(format!("{path} is an exception that does not exist"));
        }
    }
    assert_none(&faults);
}
