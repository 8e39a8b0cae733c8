//! Settings: from a YAML file, environment variables and defaults to values that cannot be wrong.
//!
//! A text is parsed (`yaml`), overridden by variables (`environment`), its expressions are put in (`expand`), its
//! values are read into the structs (`settings`, whose declarations are also defaults, schema and printed form), and
//! what takes more than one value is checked (`validate`). All problems are told at once, each with its path.
//!
//! The environment is read here and nowhere else. Knows no other room but the vocabulary. Start with [`load`].

pub mod address;
pub mod amount;
pub mod duration;
mod environment;
mod expand;
mod files;
mod macros;
mod nearest;
mod not_yet;
mod path;
mod problem;
mod reload;
mod scalar;
pub mod secret;
mod setting;
pub mod settings;
mod shown;
pub mod size;
#[cfg(test)]
mod tests;
mod time;
mod validate;
mod yaml;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

pub use environment::Environment;
pub use files::Files;
pub use path::Path;
pub use problem::{Problem, Problems, Warning};
pub use reload::{Reload, needs_restart, watch};
pub use settings::Settings;

use expand::{Expansion, escape};
pub use secret::Secret;
use setting::{Origin, Reader, Setting as _};
use shown::Secrets;

/// The variable that names the file.
const FILE_VARIABLE: &str = "EVOLINK_GATEWAY_CONFIG";
/// The file taken when none is named and it is there.
const FILE_DEFAULT: &str = "./config/gateway.yaml";
/// Upstream's key when the file has none.
const API_KEY_VARIABLE: &str = "EVOLINK_API_KEY";
/// The secret of the only team when the file has none.
const TEAM_KEY_VARIABLE: &str = "EVOLINK_GATEWAY_KEY";

/// Where the settings come from, besides the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// YAML as such, for tests and the demo.
    Text(String),
    /// Built-in defaults.
    Defaults,
}

impl Source {
    /// The file named on the command line, else by the environment, else `./config/gateway.yaml` if there.
    pub fn choose(named: Option<PathBuf>, environment: &Environment) -> Self {
        let variable = || environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let usual = || Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists());
        named.or_else(variable).or_else(usual).map_or(Self::Defaults, Self::File)
    }
}

/// What settings are checked against.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Ids of the built-in models, which aliases and teams may name.
    pub known_models: Vec<String>,
    /// Whether secrets (all variables and files) may be missing: to check a file away from where it is used.
    pub allow_missing_secrets: bool,
}

/// Settings that are right, and what is to be said about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    /// Settings given that have no effect yet.
    pub warnings: Vec<Warning>,
    /// The files read, for [`watch`].
    pub files: Files,
}

/// Reads, expands and checks the settings. May be called again at any time; reads files, so it blocks.
pub fn load(source: &Source, environment: &Environment, checks: &Checks) -> Result<Loaded, Problems> {
    let mut files = Files::default();
    match read(source, environment, checks, &mut files) {
        Ok((settings, warnings)) => Ok(Loaded { settings, warnings, files }),
        Err(mut list) => {
            // In the order of the file; what is not in the file comes last.
            list.sort_by_key(|problem| problem.line.unwrap_or(u64::MAX));
            Err(Problems { list, files })
        }
    }
}

/// The settings as YAML, secrets hidden.
pub fn printed(settings: &Settings) -> String {
    // Writing plain values to memory cannot fail.
    yaml::write(&settings.shown(Secrets::Hidden)).unwrap_or_default()
}

/// The JSON schema (2020-12) of the file.
pub fn schema() -> Value {
    let mut schema = Settings::schema();
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".to_owned(), "evolink-gateway".into());
    }
    schema
}

fn read(
    source: &Source,
    environment: &Environment,
    checks: &Checks,
    files: &mut Files,
) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    let text = match source {
        Source::File(path) => {
            files.read(path).map_err(|message| vec![Problem::new(Path::root(), message)])?
        }
        Source::Text(text) => text.clone(),
        Source::Defaults => String::new(),
    };
    let document = yaml::parse(&text).map_err(|problem| vec![problem])?;
    let mut origin = Origin { lines: document.lines, ..Origin::default() };
    let mut tree = document.tree;
    if tree.is_null() {
        tree = Value::Object(Map::new());
    }
    from_variables(&mut tree, environment);
    add_shipped_aliases(&mut tree);
    let mut problems = environment::apply(environment, &schema(), &mut tree, &mut origin);
    let mut expansion = Expansion {
        environment,
        files,
        origin: &mut origin,
        allow_missing: checks.allow_missing_secrets,
        problems: Vec::new(),
    };
    expansion.run(&mut tree, &Path::root());
    problems.append(&mut expansion.problems);
    let warnings = not_yet::warnings(&tree);
    if let Some(Value::Object(aliases)) = tree.pointer_mut("/models/aliases") {
        aliases.retain(|_, alias| !alias.is_null());
    }

    let mut reader = Reader::new(&origin);
    let settings = Settings::read(&tree, &mut reader);
    let mut findings = reader.into_findings();
    let rules = settings.map(|mut settings| {
        settings.models.aliases.iter_mut().for_each(|(name, alias)| alias.answer_as(name));
        let broken = validate::validate(&settings, checks, &origin, &findings);
        (settings, broken)
    });
    problems.append(&mut findings.problems);
    let Some((settings, mut broken)) = rules else { return Err(problems) };
    problems.append(&mut broken);
    if problems.is_empty() { Ok((settings, warnings)) } else { Err(problems) }
}

/// The two variables that make a file needless.
fn from_variables(tree: &mut Value, environment: &Environment) {
    let Value::Object(fields) = tree else { return };
    let value = |name| environment.get(name).filter(|value| !value.is_empty()).map(escape);
    if let Some(key) = value(API_KEY_VARIABLE) {
        let evolink = fields.entry("evolink").or_insert(Value::Null);
        if evolink.is_null() {
            *evolink = json!({});
        }
        if let Some(slot) =
            evolink.as_object_mut().map(|evolink| evolink.entry("api_key").or_insert(Value::Null))
            && slot.is_null()
        {
            *slot = key.into();
        }
    }
    let teams = fields.get("teams");
    let has_teams = teams.is_some_and(|teams| !teams.is_null() && *teams != json!([]));
    if let (Some(secret), false) = (value(TEAM_KEY_VARIABLE), has_teams) {
        let team = json!({"name": "default", "keys": [{"name": "default", "secret": secret}]});
        fields.insert("teams".to_owned(), json!([team]));
    }
}

/// A file's aliases are added to those shipped; null takes one away.
fn add_shipped_aliases(tree: &mut Value) {
    let mut at = tree;
    for key in ["models", "aliases"] {
        let Value::Object(fields) = at else { return };
        at = fields.entry(key).or_insert(Value::Null);
        if at.is_null() {
            *at = json!({});
        }
    }
    let Value::Object(aliases) = at else { return };
    for name in settings::SHIPPED_ALIASES {
        aliases.entry(name).or_insert_with(|| settings::DEFAULT_MODEL.into());
    }
}
