//! What a file may not do, by its name or place.

use super::features::feature;
use super::source::{Source, assert_none, read, sources};

/// Whom a rule binds.
enum Files {
    All,
    /// The files of this name in the folders of features.
    Layer(&'static str),
    /// These files and folders of `src/`.
    In(&'static [&'static str]),
    /// All but these files and folders of `src/`.
    NotIn(&'static [&'static str]),
}

/// A rule about some files: none of these words in their code.
struct Rule {
    files: Files,
    words: &'static [&'static str],
    why: &'static str,
}

/// Words by which code reads or writes a database.
const DATABASE: &[&str] = &[
    "AnyConnection",
    "UnitOfWork",
    "crate::db::{",
    ".execute(",
    ".get_result(",
    ".load(",
    ".first(conn",
    "sql_query",
    "insert_into",
    "diesel::update",
    "diesel::delete",
    "::table.",
];

const RULES: &[Rule] = &[
    Rule {
        files: Files::Layer("model"),
        words: &["async ", ".await", "actix", "tokio", "std::fs", "std::net", "reqwest", "channel_layer"],
        why: "a model is pure: no I/O",
    },
    Rule {
        files: Files::Layer("model"),
        words: DATABASE,
        why: "a model is pure: it has the derives of a row, and no query",
    },
    Rule {
        files: Files::In(&[
            "auth/model.rs",
            "auth/credentials.rs",
            "request/field.rs",
            "request/fields.rs",
            "error.rs",
        ]),
        words: &["async ", ".await", "actix", "tokio", "std::fs", "std::net"],
        why: "what models are made of is as pure as they are",
    },
    Rule {
        files: Files::Layer("queries"),
        words: &[
            "insert_into",
            "diesel::update",
            "diesel::delete",
            ".emit(",
            ".notify(",
            "UnitOfWork",
            "actix",
            "channel_layer",
        ],
        why: "queries read: they neither write nor emit",
    },
    Rule {
        files: Files::Layer("commands"),
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
        files: Files::Layer("http"),
        words: &[
            "diesel",
            "schema::",
            "sql_query",
            "AnyConnection",
            "UnitOfWork",
            "channel_layer",
            "ChannelLayer",
        ],
        why: "http.rs parses, calls one command or query, and shapes the response: no SQL, no channel layer",
    },
    Rule {
        files: Files::In(&[
            "auth/authenticator.rs",
            "auth/commands.rs",
            "auth/passwords.rs",
            "auth/tokens.rs",
        ]),
        words: &["actix", "crate::request", "HttpRe", "StatusCode"],
        why: "authentication knows no HTTP",
    },
    Rule {
        files: Files::In(&["auth/"]),
        words: &["crate::accounts"],
        why: "authentication does not know what accounts show",
    },
    Rule {
        files: Files::In(&[
            "error.rs",
            "ids.rs",
            "timestamp.rs",
            "settings/",
            "telemetry/",
            "db/",
            "channel_layer/",
            "limits/",
            "events/",
        ]),
        words: &["actix"],
        why: "what is below HTTP knows no HTTP",
    },
    Rule {
        files: Files::In(&["channel_layer/"]),
        words: &["serde_json::Value", "Event", "Envelope", "seq", "Revocation"],
        why: "the channel layer carries bytes and knows no domain",
    },
    Rule {
        files: Files::In(&[
            "channel_layer/hub.rs",
            "channel_layer/memory.rs",
            "channel_layer/payload.rs",
            "channel_layer/redis/",
        ]),
        words: &["UserId"],
        why: "only a group's name may come from a user's id",
    },
    Rule {
        files: Files::In(&["channel_layer/hub.rs", "channel_layer/memory.rs", "channel_layer/group.rs"]),
        words: &["redis", ".await?", "crate::settings"],
        why: "the hub knows no Redis",
    },
    Rule {
        files: Files::NotIn(&["channel_layer/", "limits/redis_", "settings/source.rs"]),
        words: &["redis::", "deadpool_redis"],
        why: "Redis is for the channel layer, and for the counts of limits",
    },
    Rule {
        files: Files::NotIn(&["channel_layer/", "events/commit.rs"]),
        words: &[".publish(", ".publish_all(", ".publish_in_bulk("],
        why: "events are published after their commit, by the unit of work alone",
    },
    Rule {
        files: Files::NotIn(&[
            "db/",
            "events/commit.rs",
            "operations/retention.rs",
            "operations/instance_registry.rs",
        ]),
        words: &[".transaction(", ".transaction_batch("],
        why: "the unit of work opens transactions, or they could end without their events",
    },
    Rule {
        files: Files::NotIn(&["db/"]),
        words: &["::establish(", "PgConnection", "SqliteConnection", "batch_execute"],
        why: "connections belong to the pool",
    },
    Rule {
        files: Files::NotIn(&["db/", "app.rs"]),
        words: &["spawn_blocking", "web::block"],
        why: "blocking work is bounded by the pool, or by the threads for passwords",
    },
    Rule {
        files: Files::NotIn(&["settings/"]),
        words: &["env::var", "env::vars", "env::set_var"],
        why: "settings are the only reader of the environment",
    },
    Rule {
        files: Files::NotIn(&["request/part.rs", "api/state.rs", "operations/metrics_server.rs"]),
        words: &["app_data"],
        why: "parts of the state are taken by type, which `api::state` checks",
    },
    Rule {
        files: Files::All,
        words: &["unbounded_channel", "unbounded()", "UnboundedSender"],
        why: "every queue has a bound",
    },
    Rule {
        files: Files::All,
        words: &["println!", "eprintln!", "print!", "process::exit"],
        why: "telemetry logs, and main ends",
    },
    Rule {
        files: Files::NotIn(&["db/migrations.rs"]),
        words: &["thread::sleep"],
        why: "the runtime waits; migrations run on a thread of their own, or before there is one",
    },
];

impl Rule {
    fn binds(&self, source: &Source) -> bool {
        let is_in = |paths: &[&str]| paths.iter().any(|path| source.below_src().starts_with(path));
        match self.files {
            Files::All => true,
            Files::Layer(name) => feature(source).is_some() && source.name() == name,
            Files::In(paths) => is_in(paths),
            Files::NotIn(paths) => !is_in(paths),
        }
    }

    /// Returns the paths and names that the rule guards and no file has.
    fn missing(&self, sources: &[Source]) -> Vec<&'static str> {
        let (Files::In(paths) | Files::NotIn(paths)) = self.files else { return Vec::new() };
        let is_there = |path: &str| sources.iter().any(|source| source.below_src().starts_with(path));
        paths.iter().copied().filter(|path| !is_there(path)).collect()
    }
}

/// Returns whether code has this word, not within a longer name.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(place, _)| {
        let before = code[..place].chars().next_back();
        let is_within_name = word.starts_with(char::is_alphanumeric)
            && before.is_some_and(|it| it.is_alphanumeric() || it == '_');
        !is_within_name
    })
}

#[test]
fn every_file_keeps_to_its_duties() {
    let sources = sources("src");
    let mut faults = Vec::new();
    for rule in RULES {
        faults.extend(
            rule.missing(&sources)
                .into_iter()
                .map(|path| format!("a rule guards src/{path}, which does not exist")),
        );
        let bound: Vec<_> = sources.iter().filter(|source| rule.binds(source)).collect();
        assert!(!bound.is_empty(), "a rule binds no file: {}", rule.why);
        for (source, (line, code)) in
            bound.iter().flat_map(|it| it.code().into_iter().map(move |line| (it, line)))
        {
            for word in rule.words.iter().filter(|word| has_word(&code, word)) {
                faults.push(format!("{}:{line}: `{}`: {}", source.path, word.trim(), rule.why));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn sql_of_queries_only_reads() {
    let mut faults = Vec::new();
    for source in sources("src").iter().filter(|it| feature(it).is_some() && it.name() == "queries") {
        for (number, line) in (1..).zip(source.text.lines()) {
            let is_comment = line.trim_start().starts_with("//");
            for word in ["INSERT ", "UPDATE ", "DELETE ", "FOR UPDATE"] {
                if line.contains(word) && !is_comment {
                    faults.push(format!("{}:{number}: {word}: queries read", source.path));
                }
            }
        }
    }
    assert_none(&faults);
}

/// Returns the types of frames that a file names, as `{"type":"pong"}` does.
fn frame_types(source: &Source) -> Vec<String> {
    // What a unit test takes for a frame is not one of the service's.
    let code = source.text.split("mod tests {").next().unwrap_or_default();
    let mut types = Vec::new();
    for beginning in [r#""type":""#, r#""type": ""#, r#"{ .. } => ""#] {
        if beginning.contains("=>") && source.path != "src/events/event.rs" {
            continue;
        }
        for (place, _) in code.match_indices(beginning) {
            let name = code[place + beginning.len()..].split('"').next().unwrap_or_default();
            // `{name}` is to be filled in.
            if !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_') {
                types.push(name.to_owned());
            }
        }
    }
    types
}

#[test]
fn integrations_cannot_use_the_types_of_our_own_frames() {
    let types: Vec<_> = sources("src").iter().flat_map(frame_types).collect();
    assert!(types.len() >= 8, "these are not all: {types:?}");
    let (own, shared) = (numeneon::events::OWN_NAMES, numeneon::events::SHARED_NAMES);
    let is_stated = |name: &&String| own.contains(&name.as_str()) || shared.contains(&name.as_str());
    let missing: Vec<_> = types.iter().filter(|name| !is_stated(name)).collect();
    assert!(missing.is_empty(), "src/events/event.rs: OWN_NAMES and SHARED_NAMES lack {missing:?}");
    let documented = read("docs/protocol.md");
    let (_, taken) = documented.split_once("- Taken already:").expect("the types that are taken");
    for name in own {
        assert!(taken.contains(&format!("`{name}`")), "docs/protocol.md does not say that {name} is taken");
    }
}
