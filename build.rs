//! Builds the crate anew when a file comes or goes in the folders that are part of
//! the binary: the macros that read them notice changed files only.

fn main() {
    for folder in ["demo", "clients/js/src", "migrations"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
