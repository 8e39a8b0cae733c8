//! The process edge: arguments, exit code.
//!
//! The allocator is the system's, by measurement (docs/BENCHMARKS.md): mimalloc saves CPU here, and costs memory.

use std::process::ExitCode;

fn main() -> ExitCode {
    evolink_gateway::cli::run()
}
