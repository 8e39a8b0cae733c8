//! The command line: one file a command.

mod check;
mod demo;
mod healthcheck;
mod key;
mod schema;
mod serve;
mod simulate;
mod usage;

use std::cell::OnceCell;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::catalog::Catalog;

/// OpenAI's synchronous Images API in front of Evolink's asynchronous image tasks.
#[derive(Debug, Parser)]
#[command(name = "evolink-gateway", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Simulate(simulate::Simulate),
    Check(check::Check),
    Schema(schema::Schema),
    Key(key::Key),
    Usage(usage::Usage),
    Healthcheck(healthcheck::Healthcheck),
}

/// The command line cannot be run: exit code of configuration problems.
const EXIT_REFUSED: u8 = 2;

/// A disk that hangs does not keep the process from ending longer than this.
const BLOCKING_LAST_MAX: Duration = Duration::from_secs(1);

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // Outlives the runtime: what its tasks say at their end is written, too.
    let log = OnceCell::new();
    match Cli::parse().command {
        Command::Serve(command) => in_runtime(command.run(&log)),
        Command::Demo(command) => in_runtime(command.run(&log)),
        Command::Simulate(command) => in_runtime(command.run()),
        Command::Usage(command) => in_runtime(command.run()),
        Command::Healthcheck(command) => in_runtime(command.run()),
        Command::Check(command) => command.run(Catalog::model_ids()),
        Command::Schema(command) => command.run(),
        Command::Key(command) => command.run(),
    }
}

fn in_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            runtime.shutdown_timeout(BLOCKING_LAST_MAX);
            code
        }
        Err(error) => say(&format!("the async runtime cannot start: {error}")),
    }
}

/// Tells a person why the command ends here.
#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
fn say(message: &str) -> ExitCode {
    eprintln!("evolink-gateway: {message}");
    ExitCode::FAILURE
}
