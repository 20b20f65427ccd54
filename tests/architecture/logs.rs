//! The manual's page of log lines lists every warning and error, and nothing else.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::source::{assert_none, read, sources};

const PAGE: &str = "docs/operations/logs.md";

/// The messages of a file's log lines, by level.
#[derive(Default)]
struct Messages(Vec<(String, String)>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let level = item.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if item.path.segments.first().is_some_and(|first| first.ident == "tracing") {
            let literals = item.tokens.clone().into_iter().filter_map(|token| {
                syn::parse2::<syn::LitStr>(token.into()).ok().map(|literal| literal.value())
            });
            self.0.extend(literals.last().map(|message| (level, message)));
        }
        visit::visit_macro(self, item);
    }
}

/// Returns the messages that the page's tables name in their first two columns.
fn documented() -> BTreeSet<String> {
    let page = read(PAGE);
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.flat_map(|row| row.split('|').skip(1).take(2).map(str::to_owned).collect::<Vec<_>>());
    // Fields have dots or are one word; messages are neither.
    let texts =
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    texts.filter(|text| text.contains(' ')).collect()
}

#[test]
fn warnings_and_errors_are_documented_and_documented_lines_exist() {
    let mut messages = Messages::default();
    for source in sources("src") {
        messages.visit_file(&source.file);
    }
    assert!(messages.0.len() > 20, "these are not all: {:?}", messages.0);
    let documented = documented();
    let logged: BTreeSet<_> = messages.0.iter().map(|(_, message)| message.clone()).collect();
    let needed = messages.0.iter().filter(|(level, _)| matches!(level.as_str(), "warn" | "error"));
    let mut faults: Vec<_> = needed
        .filter(|(_, message)| !documented.contains(message))
        .map(|(level, message)| format!("{PAGE} lacks `{message}`, {level}"))
        .collect();
    faults.extend(
        documented.difference(&logged).map(|text| format!("{PAGE} names `{text}`, which nothing logs")),
    );
    assert_none(&faults);
}
