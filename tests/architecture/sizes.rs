//! How long files and functions may be, and how deeply nested tests.

use super::source::{assert_none, sources};

const MAX_FILE_LINES: usize = 320;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_PARAMETERS: usize = 7;
const MAX_TEST_NESTING: usize = 5;

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES {
            faults.push(format!("{}: {lines} lines; which second thing does it do?", source.path));
        }
        for function in source.functions() {
            let at = format!("{}:{}: {}", source.path, function.line, function.name);
            if function.lines > MAX_FUNCTION_LINES {
                faults.push(format!("{at} has {} lines", function.lines));
            }
            if function.parameters > MAX_PARAMETERS {
                faults.push(format!("{at} has {} parameters", function.parameters));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn tests_are_not_nested_deeply() {
    let mut faults = Vec::new();
    for source in ["tests", "fuzz/tests", "tools/tests"].into_iter().flat_map(sources) {
        for function in source.functions().iter().filter(|it| it.nesting > MAX_TEST_NESTING) {
            faults.push(format!(
                "{}:{}: {} is nested {} deep",
                source.path, function.line, function.name, function.nesting
            ));
        }
    }
    assert_none(&faults);
}
