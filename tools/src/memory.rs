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

/// The kernel's unit of a process's processor time, on every architecture of Linux: 1/100 s.
const TICK: Duration = Duration::from_millis(10);

/// Returns the processor time that a process has used so far, by itself and in the kernel.
///
/// # Errors
///
/// As [`resident_bytes`].
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The name, in parentheses, may have spaces; utime and stime are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(')').with_context(|| format!("process {pid} has no times"))?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory_and_uses_the_processor() -> anyhow::Result<()> {
        assert!(super::resident_bytes(std::process::id())? > 100_000);
        assert!(super::resident_bytes(u32::MAX).is_err());
        let started = std::time::Instant::now();
        while super::processor_time(std::process::id())?.is_zero() {
            assert!(started.elapsed().as_secs() < 60, "this loop uses the processor");
        }
        assert!(super::processor_time(u32::MAX).is_err());
        Ok(())
    }
}
