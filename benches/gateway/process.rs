//! Processes under measurement: where they run, what they say, what they use.

use std::fs::{File, read_to_string};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

/// The core of the process under measurement, and that of the load and the simulator.
const CORE_MEASURED: &str = "0";
const CORE_OTHERS: &str = "1";
/// Open files of every process: a thousand clients need more than the usual 1,024.
const OPEN_FILES: &str = "ulimit -n 8192 2>/dev/null || ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\"";
/// The kernel counts CPU time in hundredths of a second towards user space, on every architecture.
const TICK: Duration = Duration::from_millis(10);
const START_PATIENCE: Duration = Duration::from_secs(10);
const LINE_EVERY: Duration = Duration::from_micros(200);

/// Starts this program again on the core of the load, with room for its connections. Returns only if that fails.
pub(crate) fn place(unpinned: bool) -> Error {
    let Ok(program) = std::env::current_exe() else { return "its own file is unknown".into() };
    let mut command = Command::new("sh");
    command.args(["-c", OPEN_FILES]);
    if !unpinned && can_pin() {
        command.args(["taskset", "-c", CORE_OTHERS]);
    }
    command.arg(program).args(std::env::args_os().skip(1)).arg("--placed").exec().into()
}

/// Whether there are two cores, and the command that keeps a process on one of them.
pub(crate) fn can_pin() -> bool {
    let mut trial = Command::new("taskset");
    trial.args(["-c", CORE_OTHERS, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success())
}

/// Where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Core {
    Measured,
    Others,
    Any,
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: PathBuf,
    born: Instant,
}

/// What a process used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Process {
    /// Starts `program` with stdout and stderr in the file `output`.
    pub(crate) fn start(
        core: Core,
        program: &Path,
        arguments: &[String],
        output: PathBuf,
    ) -> Result<Self, Error> {
        let mut command = match core {
            Core::Any => Command::new(program),
            Core::Measured | Core::Others => {
                let mut command = Command::new("taskset");
                command
                    .arg("-c")
                    .arg(if core == Core::Measured { CORE_MEASURED } else { CORE_OTHERS })
                    .arg(program);
                command
            }
        };
        let file = File::create(&output)?;
        command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let born = Instant::now();
        Ok(Self { child: command.spawn()?, output, born })
    }

    /// Time since the process was started.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// The address that follows the first `mark` in what the process says.
    pub(crate) async fn address_after(&self, mark: &str) -> Result<SocketAddr, Error> {
        while self.age() < START_PATIENCE {
            let said = read_to_string(&self.output)?;
            let address = said.split_once(mark).map(|(_, rest)| {
                rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect::<String>()
            });
            if let Some(address) = address
                && said.ends_with('\n')
            {
                return Ok(address.parse()?);
            }
            tokio::time::sleep(LINE_EVERY).await;
        }
        Err(format!("a process did not start: {}", read_to_string(&self.output)?).into())
    }

    /// CPU time used, user and system, all threads; in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold anything; user and system time are the 12th and 13th word after it.
        let (_, words) = stat.rsplit_once(')').ok_or("no process status")?;
        let mut times = words.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut time = || times.next().ok_or("a short process status");
        Ok(TICK * (time()?? + time()??))
    }

    /// What it has written to stdout and stderr.
    pub(crate) fn said(&self) -> Result<String, Error> {
        Ok(read_to_string(&self.output)?)
    }

    pub(crate) fn memory(&self) -> Result<Memory, Error> {
        let status = self.proc("status")?;
        let mib = |name: &str| -> Result<f64, Error> {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no memory in the status")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok(Memory { now_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")? })
    }

    fn proc(&self, file: &str) -> Result<String, Error> {
        Ok(read_to_string(format!("/proc/{}/{file}", self.child.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
