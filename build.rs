//! Rebuilds the crate when a file is added to or removed from a folder that is embedded in
//! the binary: the macros that embed them detect changed files only.

fn main() {
    for folder in ["demo", "clients/js/src", "migrations"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
