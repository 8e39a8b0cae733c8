//! The gateway's benchmark: the real binary against the simulator, beside a bare hyper server that does the same work
//! with no policy (the *floor*), each a process of its own. Prints a table; exits with 1 when a bar is missed.
//!
//! `cargo bench --bench gateway -- --help`; what is measured and why is in docs/BENCHMARKS.md. Start reading at
//! [`measure`]; a file of `scenario/` is one part of the table.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is for a person to read")]

mod floor;
mod load;
mod machine;
mod nginx;
mod process;
mod raw;
mod report;
mod scenario;
mod setup;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use report::Report;
use setup::Bench;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(name = "gateway", about = "Measures the gateway beside a floor; exit code 1 when a bar is missed")]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line, two of them hidden")]
struct Arguments {
    /// Only parts whose name contains this: throughput, admission, journal, waiting, pictures, hits, start, polling
    #[arg(long, default_value = "")]
    only: String,
    /// Short rounds, and no polling part (it takes two minutes)
    #[arg(long)]
    quick: bool,
    /// Another gateway binary than the one built with the benchmark
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_evolink-gateway"))]
    gateway: PathBuf,
    /// Leave processes where the scheduler puts them, instead of gateway on one core and all else on another
    #[arg(long)]
    unpinned: bool,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
    /// Set by the benchmark on itself once it is on its core
    #[arg(long, hide = true)]
    placed: bool,
    /// Be the floor in front of this upstream
    #[arg(long, hide = true, value_name = "ADDRESS")]
    floor: Option<SocketAddr>,
    /// How long the floor waits before its look
    #[arg(long, hide = true, value_name = "MILLISECONDS", default_value_t = 0)]
    wait: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.floor {
        Some(upstream) => floor::run(upstream, Duration::from_millis(arguments.wait)).map(|()| true),
        None if arguments.placed => run(&arguments),
        None => Err(process::place(arguments.unpinned)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the benchmark cannot run: {error}");
            ExitCode::from(2)
        }
    }
}

/// True when no bar is missed.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}\n", machine::line());
    let bench = Bench::new(arguments.gateway.clone(), !arguments.unpinned, arguments.quick)?;
    println!("{}\n", bench.placement());
    let report = runtime.block_on(measure(&bench, &arguments.only))?;
    println!("\n{report}");
    Ok(report.is_good())
}

async fn measure(bench: &Bench, only: &str) -> Result<Report, Error> {
    let mut report = Report::default();
    let wanted = |name: &str| {
        let wanted = name.contains(only);
        if wanted {
            eprintln!("measuring: {name}");
        }
        wanted
    };
    if wanted("start") {
        scenario::start::measure(bench, &mut report).await?;
    }
    if wanted("throughput") {
        scenario::throughput::measure(bench, &mut report).await?;
    }
    if wanted("admission") {
        scenario::admission::measure(bench, &mut report).await?;
    }
    if wanted("journal") {
        scenario::journal::measure(bench, &mut report).await?;
    }
    if wanted("waiting") {
        scenario::waiting::measure(bench, &mut report).await?;
    }
    if wanted("pictures") {
        scenario::pictures::measure(bench, &mut report).await?;
    }
    if wanted("hits") {
        scenario::hits::measure(bench, &mut report).await?;
    }
    if !bench.quick && wanted("polling") {
        scenario::polling::measure(bench, &mut report).await?;
    }
    Ok(report)
}
