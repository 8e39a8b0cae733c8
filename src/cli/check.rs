//! `check`: validates the configuration and prints it as the gateway understands it, secrets hidden.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app;
use crate::config::{self, Checks, Environment, Loaded, Problems, Source};

/// The exit code of a configuration with problems.
const REFUSED: u8 = 2;

/// Validate the configuration; print the resolved settings, secrets redacted.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The file. Default: $EVOLINK_GATEWAY_CONFIG, else ./config/gateway.yaml if there, else built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not mind missing environment variables and files named by ${…}.
    #[arg(long)]
    allow_missing_secrets: bool,
}

impl Check {
    /// `known_models` are the ids of the catalog. Exits with 0, or with 2 when there are problems.
    pub fn run(self, known_models: Vec<String>) -> ExitCode {
        let environment = Environment::of_process();
        let source = Source::choose(self.config, &environment);
        let checks = Checks { known_models, allow_missing_secrets: self.allow_missing_secrets };
        let outcome = config::load(&source, &environment, &checks);
        let (out, err, code) = report(&outcome);
        let written = std::io::stdout()
            .lock()
            .write_all(out.as_bytes())
            .and_then(|()| std::io::stderr().lock().write_all(err.as_bytes()));
        if written.is_ok() { code } else { ExitCode::FAILURE }
    }
}

/// What goes to stdout and to stderr, and the exit code.
fn report(outcome: &Result<Loaded, Problems>) -> (String, String, ExitCode) {
    match outcome {
        Ok(loaded) => {
            // What a row comes to depends on the table of models, which the configuration alone does not know.
            if let Err(problems) = app::table(&loaded.settings) {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                return (String::new(), lines.join("\n") + "\n", ExitCode::from(REFUSED));
            }
            let warnings: String = loaded
                .warnings
                .iter()
                .flat_map(|warning| ["warning: ".to_owned(), format!("{warning}\n")])
                .collect();
            (config::printed(&loaded.settings), warnings, ExitCode::SUCCESS)
        }
        Err(problems) => (String::new(), format!("{problems}\n"), ExitCode::from(REFUSED)),
    }
}
