//! `key create`: a new secret, and the lines of the configuration that let it in. Nothing is stored.

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use serde_json::Value;

use crate::keys::SecretKey;

/// Make team keys.
#[derive(Debug, clap::Args)]
pub struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print a new secret, once, and the configuration with its hash.
    Create {
        /// The team the key is for.
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        team: String,
        /// The key's name.
        #[arg(long, default_value = "main", value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

impl Key {
    pub fn run(self) -> ExitCode {
        let Command::Create { team, name } = self.command;
        let secret = SecretKey::generate();
        let stanza = stanza(&team, &name, &secret);
        let printed = write!(std::io::stdout().lock(), "{}\n\n{stanza}", secret.expose());
        if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The configuration that lets `secret` in. Names are quoted as JSON, which is YAML too.
fn stanza(team: &str, name: &str, secret: &SecretKey) -> String {
    format!(
        "# The secret above is shown this once. What the configuration needs is its hash:\n\
         teams:\n  - name: {}\n    keys:\n      - {{name: {}, sha256: \"{}\"}}\n",
        Value::from(team),
        Value::from(name),
        secret.digest()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Checks, Environment, Source, load};

    #[test]
    fn the_stanza_lets_the_secret_in_and_does_not_hold_it() {
        let secret = SecretKey::generate();
        let stanza = stanza("design: \"a\"", "ci", &secret);
        assert!(!stanza.contains(secret.expose()));
        let environment = Environment::from_iter([("EVOLINK_API_KEY", "k")]);
        let checks = Checks { known_models: vec!["gpt-image-2".to_owned()], ..Checks::default() };
        let loaded = load(&Source::Text(stanza), &environment, &checks).unwrap_or_else(|all| panic!("{all}"));
        let team = &loaded.settings.teams[0];
        assert_eq!((team.name.as_str(), team.keys[0].name.as_str()), ("design: \"a\"", "ci"));
        assert_eq!(team.keys[0].hash().map(|hash| hash.to_string()), Some(secret.digest().to_string()));
    }
}
