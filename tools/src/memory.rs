//! The memory and processor time of other processes, as reported by the kernel.

use anyhow::Context;
use std::time::Duration;

/// Returns the resident memory of a process in bytes; of what it shares with others, its share
/// (PSS).
///
/// # Errors
///
/// If there is no such process, or the system has no `/proc`.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid}"))?;
    let kib: u64 = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("process {pid} has no Pss"))?
        .parse()?;
    Ok(kib * 1024)
}

/// Returns the processor time that the threads of a process have used so far, without threads
/// that have ended.
///
/// # Errors
///
/// As [`resident_bytes`].
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))? {
        // A thread may end meanwhile.
        let Ok(statistics) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanoseconds = statistics.split_whitespace().next().unwrap_or_default();
        total += Duration::from_nanos(nanoseconds.parse().unwrap_or_default());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory_and_uses_the_processor() -> anyhow::Result<()> {
        assert!(super::resident_bytes(std::process::id())? > 100_000);
        assert!(super::resident_bytes(u32::MAX).is_err());
        assert!(super::processor_time(std::process::id())?.as_nanos() > 0);
        assert!(super::processor_time(u32::MAX).is_err());
        Ok(())
    }
}
