//! Every path that a document or a comment names exists.

use super::source::{assert_none, files, read, root};

/// Beginnings of paths of the repository.
const FOLDERS: [&str; 11] = [
    "src/",
    "tests/",
    "docs/",
    "scripts/",
    "deploy/",
    "migrations/",
    "tools/",
    "fuzz/",
    "clients/",
    "demo/",
    ".ci/",
];

/// Paths that are named and made by a build or a run.
const MADE: [&str; 2] = ["fuzz/target/", "clients/js/dist"];

/// Returns the paths that a text names, with their lines.
fn named(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        for word in text.split(|it: char| !(it.is_ascii_alphanumeric() || "/._-".contains(it))) {
            let word = word.trim_end_matches(['.', '-']).trim_start_matches("./");
            if FOLDERS.iter().any(|folder| word.starts_with(folder)) && word.len() > 4 {
                found.push((line, word));
            }
        }
    }
    found
}

fn exists(path: &str) -> bool {
    // A test is named by the file without its extension, a folder with or without a slash.
    MADE.iter().any(|made| path.starts_with(made))
        || root().join(path).exists()
        || root().join(format!("{path}.rs")).exists()
}

#[test]
fn every_named_path_exists() {
    let mut documents = files("docs", &["md", "yaml"]);
    documents.extend(files("src", &["rs"]));
    documents.extend(files("tests", &["rs"]));
    for path in
        ["README.md", "CHANGELOG.md", "clippy.toml", "diesel.toml", "deny.toml", "Cargo.toml", "Dockerfile"]
    {
        documents.push(path.to_owned());
    }
    let mut faults = Vec::new();
    for document in documents {
        for (line, path) in named(&read(&document)) {
            let is_own_example = document == "tests/architecture/paths.rs";
            if !is_own_example && !exists(path) {
                faults.push(format!("{document}:{line}: {path} does not exist"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn paths_are_found_in_prose() {
    let text = "See `src/lib.rs`, [docs](docs/architecture.md#bounds)\nand scripts/test.";
    assert_eq!(named(text), [(1, "src/lib.rs"), (1, "docs/architecture.md"), (2, "scripts/test")]);
}
