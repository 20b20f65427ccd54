//! What a file may not do, by its name or place.

use super::order::assert_none;
use super::source::{self, Source};

/// A rule about some files: none of these words in their code.
struct Rule {
    /// Whom it binds.
    binds: fn(&Source) -> bool,
    words: &'static [&'static str],
    why: &'static str,
}

fn is_one_of(source: &Source, paths: &[&str]) -> bool {
    paths.iter().any(|path| source.path.starts_with(path))
}

fn is_feature(source: &Source) -> bool {
    matches!(source.module(), "accounts" | "friends" | "messages" | "notifications" | "services")
}

/// Whether it is this file of some feature.
fn named(source: &Source, name: &str) -> bool {
    is_feature(source) && source.name() == name
}

/// Words by which code reads or writes a database.
const DATABASE: &[&str] = &[
    "AnyConnection",
    "UnitOfWork",
    "crate::db",
    ".execute(",
    ".get_result(",
    ".load(",
    ".first(conn",
    "sql_query",
    "insert_into",
    "diesel::update",
    "diesel::delete",
    "::table",
];

const RULES: &[Rule] = &[
    Rule {
        binds: |source| named(source, "model") || named(source, "sign_in"),
        words: &["async ", ".await", "actix", "tokio", "std::fs", "std::net", "reqwest", "channel_layer"],
        why: "a model is pure: no I/O",
    },
    Rule {
        binds: |source| named(source, "model") || named(source, "sign_in"),
        words: DATABASE,
        why: "a model is pure: it has the derives of a row, and no query",
    },
    Rule {
        binds: |source| named(source, "queries"),
        words: &[
            "insert_into",
            "diesel::update",
            "diesel::delete",
            ".emit(",
            ".tell(",
            "UnitOfWork",
            "actix",
            "channel_layer",
        ],
        why: "queries read: they neither write nor emit",
    },
    Rule {
        binds: |source| named(source, "commands"),
        words: &[
            "async ",
            ".await",
            "actix",
            "channel_layer",
            "StatusCode",
            ".publish",
            ".transaction(",
            "batch_execute",
            "Db",
        ],
        why: "a command is one act in a transaction that it did not open: it waits for nothing, publishes nothing and knows no HTTP",
    },
    Rule {
        binds: |source| is_feature(source) && source.name().starts_with("http"),
        words: &[
            "diesel",
            "schema::",
            "sql_query",
            "AnyConnection",
            "UnitOfWork",
            "channel_layer",
            "ChannelLayer",
        ],
        why: "http.rs parses, calls one command or query, and shapes the answer: no SQL, no channel layer",
    },
    Rule {
        binds: |source| {
            is_one_of(
                source,
                &[
                    "ids.rs",
                    "settings",
                    "telemetry.rs",
                    "timestamp.rs",
                    "db/",
                    "channel_layer/",
                    "limits/",
                    "events/",
                ],
            )
        },
        words: &["actix"],
        why: "what is below HTTP knows no HTTP",
    },
    Rule {
        binds: |source| is_one_of(source, &["channel_layer/"]),
        words: &["UserId>", "serde_json::Value", "Event", "Envelope", "seq"],
        why: "the channel layer carries bytes and knows no domain",
    },
    Rule {
        binds: |source| {
            is_one_of(source, &["channel_layer/hub.rs", "channel_layer/memory.rs", "channel_layer/group.rs"])
        },
        words: &["redis", ".await?", "crate::settings"],
        why: "the hub knows no Redis",
    },
    Rule {
        binds: |source| !is_one_of(source, &["channel_layer/", "limits/shared.rs", "settings/source.rs"]),
        words: &["redis::", "deadpool_redis"],
        why: "Redis is the channel layer's, and counts for limits",
    },
    Rule {
        binds: |source| !is_one_of(source, &["channel_layer/", "events/unit_of_work.rs"]),
        words: &[".publish(", ".publish_all("],
        why: "events are published after their commit, by the unit of work alone",
    },
    Rule {
        binds: |source| !is_one_of(source, &["db/", "events/unit_of_work.rs", "retention.rs"]),
        words: &[".transaction("],
        why: "transactions are opened by the unit of work, or they could end without their events",
    },
    Rule {
        binds: |source| !is_one_of(source, &["db/"]),
        words: &["::establish(", "PgConnection", "SqliteConnection", "batch_execute"],
        why: "connections are the pool's",
    },
    Rule {
        binds: |source| !is_one_of(source, &["db/", "app.rs", "accounts/password.rs"]),
        words: &["spawn_blocking", "web::block"],
        why: "blocking work is bounded by the pool, or by the turns for passwords",
    },
    Rule {
        binds: |source| !is_one_of(source, &["settings/"]),
        words: &["env::var", "env::vars", "env::set_var", "dotenvy"],
        why: "settings are the only reader of the environment",
    },
    Rule {
        binds: |_| true,
        words: &["unbounded_channel", "unbounded()", "UnboundedSender"],
        why: "every queue has a bound",
    },
    Rule {
        binds: |_| true,
        words: &["println!", "eprintln!", "print!", "thread::sleep", "process::exit"],
        why: "logs are telemetry's, waiting is the runtime's, and ending is main's",
    },
];

#[test]
fn every_file_keeps_to_its_duties() {
    let mut faults = Vec::new();
    for source in source::all() {
        let end = source.code.find("mod tests {").unwrap_or(source.code.len());
        for rule in RULES.iter().filter(|rule| (rule.binds)(&source)) {
            for word in rule.words {
                for (place, _) in source.code[..end].match_indices(word) {
                    let before = source.code[..place].chars().next_back();
                    let within_a_word = word.starts_with(char::is_alphanumeric)
                        && before.is_some_and(|it| it.is_alphanumeric() || it == '_');
                    if !within_a_word {
                        faults.push(format!(
                            "src/{}:{}: `{}`: {}",
                            source.path,
                            source.line(place),
                            word.trim(),
                            rule.why
                        ));
                    }
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn sql_of_queries_reads_only() {
    let mut faults = Vec::new();
    for source in source::all().iter().filter(|source| named(source, "queries")) {
        for (number, line) in source.whole.lines().enumerate() {
            for word in ["INSERT ", "UPDATE ", "DELETE ", "FOR UPDATE"] {
                if line.contains(word) && !line.trim_start().starts_with("//") {
                    faults.push(format!("src/{}:{}: {word}: queries read", source.path, number + 1));
                }
            }
        }
    }
    assert_none(faults);
}

#[test]
fn every_feature_has_the_same_files() {
    let sources = source::all();
    for feature in ["accounts", "friends", "messages", "services"] {
        for name in ["model", "queries", "commands", "http", "mod"] {
            let path = format!("{feature}/{name}.rs");
            assert!(sources.iter().any(|source| source.path == path), "src/{path} is missing");
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut faults = Vec::new();
    for source in source::all().iter().filter(|source| source.path != "schema.rs") {
        let lines = source.whole.lines().count();
        if lines > 400 {
            faults
                .push(format!("src/{}: {lines} lines; what is the second thing that it does?", source.path));
        }
    }
    assert_none(faults);
}

#[test]
fn no_name_of_a_frame_of_ours_is_left_to_other_services() {
    let mut names = Vec::new();
    for source in source::all() {
        for beginning in [r#""type":""#, r#""type": ""#, r#"{ .. } => ""#] {
            let is_event = beginning.contains("=>");
            if is_event && source.path != "events/event.rs" {
                continue;
            }
            // What a unit test takes for a frame is none of ours.
            let code = source.whole.split("mod tests {").next().unwrap_or_default();
            for (place, _) in code.match_indices(beginning) {
                let rest = &code[place + beginning.len()..];
                let name = rest.split('"').next().unwrap_or_default();
                // `{name}` is a place to fill in.
                if !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_') {
                    names.push((source.path.clone(), name.to_owned()));
                }
            }
        }
    }
    assert!(names.len() >= 8, "these are not all: {names:?}");
    names.retain(|(_, name)| !numeneon::events::OWN_NAMES.contains(&name.as_str()));
    assert!(names.is_empty(), "src/events/event.rs: OWN_NAMES lacks {names:?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md");
    let told = std::fs::read_to_string(path).expect("docs/protocol.md");
    let (_, taken) = told.split_once("- Taken already:").expect("the names that are taken");
    for name in numeneon::events::OWN_NAMES {
        assert!(taken.contains(&format!("`{name}`")), "docs/protocol.md: {name} is taken too");
    }
}
