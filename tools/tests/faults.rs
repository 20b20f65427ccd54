//! One fault of each kind against a real cluster of three instances: the short run of
//! `scripts/faults`, with the service binary that the tests build.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn nothing_is_lost_by_one_fault_of_each_kind() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tool = Path::new(env!("CARGO_BIN_EXE_numeneon-faults"));
    let default = || tool.with_file_name("numeneon");
    let binary = std::env::var_os("NUMENEON_BINARY").map_or_else(default, PathBuf::from);
    let output = Command::new(root.join("scripts/faults"))
        .args(["--short", "--seed", "2"])
        .arg("--binary")
        .arg(&binary)
        .arg("--tool")
        .arg(tool)
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{log}\n{report}");
    // A run without any faults would succeed as well.
    assert!(report.contains("22 faults"), "{log}\n{report}");
    Ok(())
}
