//! Runs libFuzzer on the target that `FUZZ_TARGET` names. Built by `scripts/fuzz`.

#![no_main]
#![allow(unsafe_code, reason = "libFuzzer calls an exported symbol")]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use numeneon_fuzz::{TARGETS, Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fn selected() -> Target {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET must be one of: {}", names.join(" ")))
}

fuzz_target!(|bytes: &[u8]| (TARGET.get_or_init(selected).run)(bytes));
