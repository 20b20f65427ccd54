//! The documentation of settings matches their definitions.

use numeneon::settings::{SETTINGS, Setting};
use tempfile::TempDir;

use crate::process::Program;
use crate::support::wait::{TIMEOUT, block_until};

/// Reads a file of the repository.
fn file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the row of a setting in the table of docs/operations/settings.md.
fn row(setting: &Setting) -> String {
    let Setting { name, unit, default, meaning } = setting;
    let default = match *default {
        "" => "unset".to_owned(),
        description if description.starts_with('[') => description.trim_matches(['[', ']']).to_owned(),
        list if *unit == "list" => list.split(',').map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "),
        value => format!("`{value}`"),
    };
    format!("| `{name}` | {unit} | {default} | {meaning} |")
}

#[test]
fn help_lists_every_setting_with_its_unit_and_default() {
    let folder = TempDir::new().expect("a folder");
    for word in ["--help", "-h", "help"] {
        let output = Program::in_folder(&folder).run(&[word]);
        let text = String::from_utf8(output.stdout).expect("a text");
        assert_eq!(output.status.code(), Some(0));
        for Setting { name, unit, default, meaning } in SETTINGS {
            let default = if default.is_empty() { "unset" } else { default };
            let entry = format!("\n  {name} ({unit}; {default})\n      {meaning}\n");
            assert!(text.contains(&entry), "{entry} is not in:\n{text}");
        }
    }
}

#[test]
fn the_documented_table_lists_exactly_the_settings_of_the_program() {
    let text = file("docs/operations/settings.md");
    let rows: Vec<_> = text.lines().skip_while(|line| !line.starts_with("| setting |")).skip(2).collect();
    let written: Vec<_> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<_> = SETTINGS.iter().map(row).collect();
    assert_eq!(written, expected);
}

#[test]
fn deployment_files_set_only_settings_that_exist() {
    for path in ["docker-compose.yml", "render.yaml", "Dockerfile"] {
        for line in file(path).lines().filter(|line| !line.trim_start().starts_with('#')) {
            for word in line.split(|it: char| !it.is_ascii_uppercase() && it != '_') {
                let looks_like_a_setting = SETTINGS.iter().any(|setting| {
                    let (first, _) = setting.name.split_once('_').unwrap_or((setting.name, ""));
                    setting.name.contains('_') && word.starts_with(&format!("{first}_"))
                });
                let is_a_setting = SETTINGS.iter().any(|setting| setting.name == word);
                assert!(!looks_like_a_setting || is_a_setting, "{path}: {word} is not a setting");
            }
        }
    }
}

#[test]
fn the_version_is_printed() {
    let folder = TempDir::new().expect("a folder");
    let output = Program::in_folder(&folder).run(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("numeneon {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_healthy_command_checks_the_instance_on_the_same_machine() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder).with("PORT", "0").start();
    let check = Program::in_folder(&folder).with("PORT", &process.port().to_string());
    // It waits two seconds for a response, which may be too short on a busy machine.
    block_until(TIMEOUT, "the instance is healthy", || check.run(&["healthy"]).status.code() == Some(0));
    drop(process);
    assert_eq!(check.run(&["healthy"]).status.code(), Some(1));
}
