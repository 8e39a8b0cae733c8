//! What the figures were measured on. No names, no paths: the line goes into public documents.

use std::fs::read_to_string;
use std::thread::available_parallelism;

use evolink_gateway::clock::Clock;

/// Cores, model, kernel and day.
pub(crate) fn line() -> String {
    let cores = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = || cores.lines().filter(|line| line.starts_with("model name"));
    let model =
        models().next().and_then(|line| line.split_once(": ")).map_or("unknown CPU", |(_, model)| model);
    let count = models().count().max(available_parallelism().map_or(1, usize::from));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split(['-', '+', '\n']).next().unwrap_or_default();
    let day = Clock::system().now().strftime("%Y-%m-%d").to_string();
    format!("{count} cores of {model}, Linux {kernel}, {day}")
}
