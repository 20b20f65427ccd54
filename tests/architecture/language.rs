//! The words of the tree are those of the field. Each row of the list is a word that was
//! replaced everywhere, and what is written instead.

use super::source::{assert_none, files, read};

/// Words that are not used, and what is used instead. They match as whole words, without regard
/// to case unless they have uppercase letters; a `*` stands for any ending.
const REPLACED: &[(&str, &str)] = &[
    ("laptop", "standalone"),
    ("nought*", "zero"),
    ("small letters", "lowercase"),
    ("white space", "whitespace"),
    ("shut its door", "stop accepting"),
    ("cut off", "disconnect"),
    ("no good", "invalid"),
    ("its time is over", "expired"),
    ("let in", "authenticate, accept"),
    ("lets in", "authenticate, accept"),
    ("used up", "redeem, exceed"),
    ("uses up", "redeem, exceed"),
    ("judge*", "verify, check"),
    ("until_even_time", "delay_to_next_step"),
    ("MOST_*", "MAX_"),
    ("LONGEST_*", "MAX_"),
    ("LEAST_*", "MIN_"),
    ("_LIMIT: Duration", "_TIMEOUT"),
    ("answer*", "response, respond, return"),
    ("tell", "log, notify, report"),
    ("tells", "log, notify, report"),
    ("told", "log, notify, report"),
    ("asker*", "requester"),
    ("asks", "request"),
    ("asked", "request"),
    ("suspicion", "missed flag"),
    ("deaf*", "unresponsive"),
    ("is_whole", "is_healthy"),
    ("whole_at", "theoretical_arrival_time"),
    ("Unfit", "Malformed"),
    ("Raced", "Conflict"),
    ("NoRoom", "AtCapacity"),
    ("SessionsEnded", "Revocation"),
    ("Endings", "Revocation"),
    ("PasswordTry", "PasswordAttempt"),
    ("browser_headers", "security_headers"),
    ("simply", "nothing"),
    ("riddle*", "nothing"),
];

/// Texts of the wire, of settings, metrics and the database, which keep their names, and
/// words of others. They are taken out of a line before it is read.
const KEPT: &[&str] = &[
    // What integrations are told about a type that is not valid.
    "small letters, digits and _",
    // The operation's id in the API description.
    "operation_id = \"ask\"",
    "friends_ask",
    // Columns.
    "request_hash, answer",
    "RETURNING answer",
    "idempotency_keys::answer",
    "answer -> Text",
    "asked_by",
    // What nginx responds when no instance does.
    "No instance answered.",
    "The instance did not answer in time.",
    // Operations of docs/asyncapi.yaml.
    "tell:",
    "answerPing:",
    "answerJson:",
    "answerText:",
    // A reason that the JavaScript client reports.
    "no answer",
];

/// Returns the files whose words are read.
fn scanned() -> Vec<String> {
    let mut scanned = Vec::new();
    for (folder, extensions) in [
        ("src", &["rs"][..]),
        ("tests", &["rs"]),
        ("tools", &["rs", "toml"]),
        ("fuzz", &["rs", "toml"]),
        ("docs", &["md", "yaml"]),
        ("scripts", &["", "sh", "py", "mjs"]),
        ("deploy", &["conf", "sh", "sql", "yml"]),
        ("demo", &["js", "css", "html"]),
        ("clients", &["js", "ts", "tsx", "md"]),
    ] {
        scanned.extend(files(folder, extensions));
    }
    for path in ["README.md", "CHANGELOG.md", "Cargo.toml", "clippy.toml", "Dockerfile", "docker-compose.yml"]
    {
        scanned.push(path.to_owned());
    }
    scanned.retain(|path| path != "tests/architecture/language.rs");
    scanned
}

fn has_word(line: &str, word: &str) -> bool {
    let (word, is_beginning) = word.strip_suffix('*').map_or((word, false), |word| (word, true));
    let is_name = word.contains(char::is_uppercase);
    let line = if is_name { line.to_owned() } else { line.to_lowercase() };
    line.match_indices(word).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let after = line[place + word.len()..].chars().next();
        let is_letter = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
        (word.starts_with('_') || !is_letter(before)) && (is_beginning || !is_letter(after))
    })
}

#[test]
fn replaced_words_are_not_used() {
    let mut faults = Vec::new();
    for path in scanned() {
        for (number, line) in (1..).zip(read(&path).lines()) {
            let line = KEPT.iter().fold(line.to_owned(), |line, kept| line.replace(kept, ""));
            for (word, instead) in REPLACED.iter().filter(|(word, _)| has_word(&line, word)) {
                faults.push(format!("{path}:{number}: `{word}`: write {instead}"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn words_are_found_whole() {
    assert!(has_word("On a Laptop.", "laptop") && has_word("MOST_BYTES", "MOST_*"));
    assert!(has_word("the answers", "answer*") && has_word("fn answer_all", "answer*"));
    assert!(has_word("BODY_LIMIT: Duration", "_LIMIT: Duration"));
    assert!(
        !has_word("at_most_x", "MOST_*") && !has_word("metals", "tell") && !has_word("unanswered", "answer*")
    );
}
