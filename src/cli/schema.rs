//! `schema`: the JSON schema of the configuration, for editors and pipelines.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config;

/// Print the JSON schema of the configuration file.
#[derive(Debug, clap::Args)]
pub struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "every command is run the same way")]
    pub fn run(self) -> ExitCode {
        match writeln!(std::io::stdout().lock(), "{:#}", config::schema()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }
}
