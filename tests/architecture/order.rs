//! A module uses only those above it: `src/lib.rs` states the order of the modules,
//! this page that of the files of a folder.

use super::source::{self, Source};

/// The files of each folder, in the order in which they stand on each other. Not all
/// need be there; one that is not named here uses what it likes.
const FOLDERS: &[(&str, &[&str])] = &[
    ("db", &["connection", "failure", "migrations", "transaction", "pool", "mod"]),
    (
        "telemetry",
        &["request_id", "trace_parent", "origin", "logs", "metrics", "traces", "span", "no_span", "mod"],
    ),
    ("channel_layer", &["group", "payload", "hub", "memory", "redis", "mod"]),
    ("limits", &["key", "pace", "moments", "shared", "limit", "meter", "known", "password_try", "mod"]),
    ("events", &["event", "inbox", "unit_of_work", "mod"]),
    (
        "accounts",
        &[
            "model",
            "sign_in",
            "password",
            "token",
            "admission",
            "queries",
            "viewer",
            "commands",
            "http",
            "http_sign_in",
            "http_sessions",
            "mod",
        ],
    ),
    ("friends", &["model", "queries", "commands", "http", "mod"]),
    ("messages", &["model", "queries", "commands", "http", "mod"]),
    (
        "notifications",
        &[
            "model",
            "queries",
            "commands",
            "roster",
            "end",
            "endings",
            "feed",
            "inbound",
            "session",
            "position_check",
            "handshake",
            "socket",
            "http",
            "mod",
        ],
    ),
    ("services", &["model", "queries", "caller", "commands", "http", "mod"]),
];

/// Returns the modules in the order of `lib.rs`.
fn modules() -> Vec<String> {
    let lib = source::all().into_iter().find(|source| source.path == "lib.rs").expect("src/lib.rs");
    let names = lib.code.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 10, "these are not all modules: {names:?}");
    names
}

/// Says where a file uses something that stands below it.
fn against(order: &[impl AsRef<str>], source: &Source, own: &str, used: Vec<source::Use>) -> Vec<String> {
    let place = |name: &str| order.iter().position(|it| it.as_ref() == name);
    let Some(own_place) = place(own) else { return Vec::new() };
    let below = used.into_iter().filter(|it| place(&it.name).is_some_and(|it| it > own_place));
    below
        .map(|it| format!("src/{}:{}: {own} uses {}, which stands below it", source.path, it.line, it.name))
        .collect()
}

#[track_caller]
pub fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_module_uses_only_those_above_it() {
    let modules = modules();
    let sources = source::all();
    let inside = sources.iter().filter(|source| !matches!(source.path.as_str(), "lib.rs" | "main.rs"));
    let mut faults = Vec::new();
    for source in inside {
        let own = source.module();
        assert!(modules.iter().any(|it| it == own), "src/{} is in no module of lib.rs", source.path);
        faults.extend(against(&modules, source, own, source.modules_used()));
    }
    assert_none(faults);
}

#[test]
fn a_file_uses_only_those_of_its_folder_that_stand_above_it() {
    let mut faults = Vec::new();
    for source in source::all() {
        let Some((folder, file)) = source.path.split_once('/') else { continue };
        let order = FOLDERS.iter().find(|(name, _)| *name == folder);
        // Deeper folders, as the Redis backend's, are one thing as seen from here.
        if let Some((_, order)) = order
            && !file.contains('/')
        {
            faults.extend(against(order, &source, source.name(), source.siblings_used()));
        }
    }
    assert_none(faults);
}

#[test]
fn every_file_of_a_feature_has_its_place() {
    let mut faults = Vec::new();
    for source in source::all() {
        let Some((folder, _)) = source.path.split_once('/') else { continue };
        let order = FOLDERS.iter().find(|(name, _)| *name == folder);
        if order.is_some_and(|(_, order)| !order.contains(&source.name()) && !source.path.contains("/redis/"))
        {
            faults.push(format!("src/{}: give it a place in tests/architecture/order.rs", source.path));
        }
    }
    assert_none(faults);
}
