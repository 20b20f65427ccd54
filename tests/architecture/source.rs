//! A [`Source`] is a file of `src/` without its comments and the insides of its texts,
//! so that what is left is code, on the lines where it was.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of `src/`.
pub struct Source {
    /// Its path, beginning below `src/`.
    pub path: String,
    /// Its code; each byte of a comment or within a text is a space.
    pub code: String,
    /// All of it.
    pub whole: String,
}

/// A name in a path of modules, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Use {
    pub name: String,
    pub line: usize,
}

/// Returns every file of `src/`, in order.
pub fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let whole = fs::read_to_string(path).expect("a file of src/");
        let path = path.strip_prefix(&root).expect("a path below src/").display().to_string();
        Source { path, code: code(&whole), whole }
    };
    let all: Vec<_> = paths.iter().map(read).collect();
    assert!(all.len() > 20, "these are not all files of src/");
    all
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of src/") {
        let path = entry.expect("an entry of src/").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    /// Returns the name of the module of `lib.rs` that the file is a part of.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().expect("a path");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Returns the name of the file's own module within its folder.
    pub fn name(&self) -> &str {
        let last = self.path.rsplit('/').next().expect("a path");
        last.strip_suffix(".rs").unwrap_or(last)
    }

    /// Returns how many modules are above the file's own; those of `lib.rs` have one.
    fn depth(&self) -> usize {
        self.path.split('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }

    /// Returns the modules of the crate that the file names: by `crate::`, or by as
    /// many `super::` as lead there.
    pub fn modules_used(&self) -> Vec<Use> {
        let up = "super::".repeat(self.depth());
        let mut used = self.named_after("crate::");
        used.extend(self.named_after(&up).into_iter().filter(|it| it.name != "super"));
        used
    }

    /// Returns the modules of its folder that the file names by `super::`.
    pub fn siblings_used(&self) -> Vec<Use> {
        self.named_after("super::").into_iter().filter(|it| it.name != "super").collect()
    }

    /// Returns the first name of each path that follows `prefix`, be it one or a list
    /// in braces. What stands in a module within the file is not looked at: there
    /// `super` is the file itself.
    fn named_after(&self, prefix: &str) -> Vec<Use> {
        let end = self.code.find("mod tests {").unwrap_or(self.code.len());
        let mut used = Vec::new();
        for (place, _) in self.code[..end].match_indices(prefix) {
            let before = self.code[..place].chars().next_back();
            if before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':') {
                continue;
            }
            let start = place + prefix.len();
            for (name, offset) in first_names(&self.code[start..]) {
                used.push(Use { name, line: self.line(start + offset) });
            }
        }
        used
    }

    /// Returns the number of the line with this byte of the code.
    pub fn line(&self, place: usize) -> usize {
        1 + self.code[..place].matches('\n').count()
    }
}

/// Returns the name at the beginning, or the first name of each member of a list in
/// braces, with its place.
fn first_names(text: &str) -> Vec<(String, usize)> {
    let name = |from: usize| {
        let rest = &text[from..];
        let length = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
        (rest[..length].to_owned(), from)
    };
    if !text.starts_with('{') {
        return vec![name(0)];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begins = false;
    for (place, it) in text.char_indices() {
        match it {
            '{' => {
                depth += 1;
                begins = depth == 1;
            }
            '}' => depth -= 1,
            ',' => begins = depth == 1,
            it if begins && !it.is_whitespace() => {
                names.push(name(place));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Blanks out comments and the insides of texts.
fn code(whole: &str) -> String {
    let mut code = String::with_capacity(whole.len());
    let mut rest = whole;
    while let Some(first) = rest.chars().next() {
        let (kept, blank) = if rest.starts_with("//") {
            (0, rest.find('\n').unwrap_or(rest.len()))
        } else if let Some(hashes) = raw_text(rest) {
            let closing = format!("\"{}", "#".repeat(hashes));
            let inside = &rest[hashes + 2..];
            (0, hashes + 2 + inside.find(&closing).expect("a text ends") + closing.len())
        } else if first == '"' {
            (0, text_length(rest))
        } else if first == '\'' {
            (0, character_length(rest))
        } else {
            (first.len_utf8(), 0)
        };
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..kept + blank].bytes().map(|it| if it == b'\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blank..];
        if kept + blank == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// Returns how many `#` open a raw text here, if one begins.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|it| *it == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|it| {
        let ends = it == b'"' && !escaped;
        escaped = it == b'\\' && !escaped;
        ends
    });
    end.expect("a text ends") + 2
}

/// Returns the length of a character in quotes; of the quote of a lifetime, nothing.
fn character_length(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match (inside.next(), inside.next(), inside.next()) {
        (Some((_, '\\')), ..) => rest[2..].find('\'').map_or(0, |end| end + 3),
        (Some(_), Some((end, '\'')), _) => end + 1,
        _ => 0,
    }
}

#[test]
fn comments_and_texts_are_no_code() {
    let whole = "use a; // crate::b\nlet c = \"crate::d \\\" //\"; '\"'; r#\"crate::e\"#; f::<'g>()\n";
    let code = code(whole);
    assert_eq!(code.len(), whole.len());
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["use", "a;", "let", "c", "=", ";", ";", ";", "f::<'g>()"]
    );
}

#[test]
fn names_are_found_alone_and_in_lists() {
    let source = |path: &str, text: &str| Source { path: path.into(), code: code(text), whole: text.into() };
    let found = |used: Vec<Use>| used.into_iter().map(|it| (it.name, it.line)).collect::<Vec<_>>();
    let list =
        source("a/b.rs", "use crate::{c::{d, e},\n f, g::h};\nfn i() { crate::j::k(super::super::l) }\n");
    let expected =
        [("c", 1), ("f", 2), ("g", 2), ("j", 3), ("l", 3)].map(|(name, line)| (name.to_owned(), line));
    assert_eq!(found(list.modules_used()), expected);
    let sibling = source("a/b.rs", "use super::{c, d::e};");
    assert_eq!(found(sibling.siblings_used()), [("c".to_owned(), 1), ("d".to_owned(), 1)]);
    assert_eq!(found(source("a.rs", "super::b::c()").modules_used()), [("b".to_owned(), 1)]);
}
