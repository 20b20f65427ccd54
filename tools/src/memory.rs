//! The resident memory of other processes, as reported by the kernel.

use anyhow::Context;

/// Returns the resident memory of a process in bytes.
///
/// # Errors
///
/// If there is no such process, or the system has no `/proc`.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("process {pid} has no VmRSS"))?
        .parse()?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory() -> anyhow::Result<()> {
        assert!(super::resident_bytes(std::process::id())? > 100_000);
        assert!(super::resident_bytes(u32::MAX).is_err());
        Ok(())
    }
}
