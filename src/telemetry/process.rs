//! The process's own figures under Prometheus' customary names, read from /proc when asked for; elsewhere than on
//! Linux they stay 0.

use std::fs;

use prometheus::{Counter, IntGauge, Registry};

/// Clock ticks a second in /proc/self/stat: `USER_HZ`, 100 on every platform Rust's Linux targets run on.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct Process {
    resident: IntGauge,
    cpu: Counter,
    files: IntGauge,
}

impl Process {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let process = Self {
            resident: IntGauge::new("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            cpu: Counter::new("process_cpu_seconds_total", "User and system CPU time spent in seconds.")?,
            files: IntGauge::new("process_open_fds", "Number of open file descriptors.")?,
        };
        registry.register(Box::new(process.resident.clone()))?;
        registry.register(Box::new(process.cpu.clone()))?;
        registry.register(Box::new(process.files.clone()))?;
        Ok(process)
    }

    /// Reads the figures anew. What cannot be read keeps its last value.
    pub(super) fn refresh(&self) {
        if let Some(bytes) =
            fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status))
        {
            self.resident.set(bytes);
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat))
        {
            // two readers at once may come in the wrong order: a counter never falls
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        if let Some(count) =
            fs::read_dir("/proc/self/fd").ok().and_then(|entries| i64::try_from(entries.count()).ok())
        {
            // less the one open for this reading
            self.files.set(count.saturating_sub(1));
        }
    }
}

/// `VmRSS` of /proc/self/status.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// `utime` and `stime` of /proc/self/stat, the 12th and 13th field after the command, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let total: u32 = ticks.sum::<Result<u32, _>>().ok()?;
    Some(f64::from(total) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_field() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2 * 1024 * 1024));
        let stat = "7 (odd) name)) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 8 9 20 0 3 0 100 5 6";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!((resident_bytes("nothing"), cpu_seconds("nothing")), (None, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_open_files() {
        let process = Process::register(&Registry::new()).unwrap();
        process.refresh();
        assert!(process.resident.get() > 100_000 && process.files.get() >= 3);
    }
}
