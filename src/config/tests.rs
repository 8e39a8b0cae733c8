//! Loading as a whole: what is accepted, and what each mistake is answered with.

mod environment;
mod mistakes;
mod reload;

use super::*;
use crate::config::secret::Secret;
use crate::config::settings::{Batch, CacheScope, ResponseFormat, Unit};

const EXAMPLE: &str = include_str!("../../config/gateway.example.yaml");

fn checks() -> Checks {
    let known = ["gpt-image-2", "gpt-image-1.5", "seedream"];
    Checks { known_models: known.map(str::to_owned).to_vec(), allow_missing_secrets: false }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    [("EVOLINK_API_KEY", "upstream-canary")].iter().chain(variables).copied().collect()
}

fn outcome(yaml: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    load(&Source::Text(yaml.to_owned()), &environment(variables), &checks())
}

fn loaded(yaml: &str, variables: &[(&str, &str)]) -> Settings {
    outcome(yaml, variables).unwrap_or_else(|problems| panic!("{problems}")).settings
}

fn problems(yaml: &str) -> String {
    outcome(yaml, &[]).map_or_else(|problems| problems.to_string(), |_| "no problem".to_owned())
}

/// A directory that is gone when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("evolink-gateway-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_a_file_two_variables_are_enough() {
    let variables = environment(&[("EVOLINK_GATEWAY_KEY", "team-canary${X}")]);
    let settings = load(&Source::Defaults, &variables, &checks()).unwrap().settings;
    assert_eq!(settings.evolink.api_key.expose(), "upstream-canary");
    let team = &settings.teams[0];
    assert_eq!(team.name, "default");
    assert_eq!(team.keys[0].hash(), Some(Secret::new("team-canary${X}").sha256()));
}

#[test]
fn without_a_team_key_there_is_no_team() {
    assert!(loaded("teams: []", &[]).teams.is_empty());
    assert_eq!(loaded("teams:", &[("EVOLINK_GATEWAY_KEY", "s")]).teams.len(), 1);
}

#[test]
fn the_files_teams_win_over_the_variable() {
    let settings = loaded("teams: [{name: a}]", &[("EVOLINK_GATEWAY_KEY", "s")]);
    assert_eq!(settings.teams.iter().map(|team| team.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_key_in_the_file_wins_over_the_variable() {
    assert_eq!(loaded("evolink: {api_key: own}", &[]).evolink.api_key.expose(), "own");
    assert_eq!(loaded("evolink:\n  api_key:\n", &[]).evolink.api_key.expose(), "upstream-canary");
}

#[test]
fn texts_from_expressions_become_the_settings_type() {
    let yaml = "
evolink: {max_tasks: '${N}', poll: {batch: '${B}'}}
strict: ${S}
teams: [{name: a, limits: {budgets: [{amount: '${X}', unit: usd, per: day}]}}]
";
    let settings = loaded(yaml, &[("N", "7"), ("B", "never"), ("S", "true"), ("X", "0.5")]);
    assert_eq!((settings.evolink.max_tasks, settings.strict), (7, true));
    assert_eq!(settings.evolink.poll.batch, Batch::Never);
    let budget = &settings.teams[0].limits.budgets.as_ref().unwrap()[0];
    assert_eq!((budget.amount.micros(), budget.unit), (500_000, Unit::Usd));
}

#[test]
fn aliases_are_added_to_those_shipped_and_null_takes_one_away() {
    let yaml =
        "models: {aliases: {mine: {model: seedream, size: '16:9'}, gpt-image-1: ~, dall-e-3: seedream}}";
    let aliases = loaded(yaml, &[]).models.aliases;
    assert_eq!(aliases["mine"].size.as_deref(), Some("16:9"));
    assert_eq!(aliases["mine"].response_format, None);
    assert!(!aliases.contains_key("gpt-image-1") && aliases.contains_key("gpt-image-1-mini"));
    assert_eq!(aliases["dall-e-3"].model, "seedream");
    assert_eq!(aliases["dall-e-3"].response_format, Some(ResponseFormat::Url));
    assert_eq!(aliases["dall-e-2"].response_format, Some(ResponseFormat::Url));
}

#[test]
fn a_teams_settings_lie_over_the_defaults() {
    let yaml = "
limits: {max_n: 2, requests_per_minute: 9, budgets: [{amount: 1, unit: images, per: day}]}
cache: {scope: shared}
teams: [{name: a, limits: {max_n: 4, budgets: []}, cache: {enabled: false}}]
";
    let settings = loaded(yaml, &[]);
    let team = &settings.teams[0];
    let limits = team.limits.or(&settings.limits);
    assert_eq!((limits.max_n, limits.requests_per_minute), (Some(4), Some(9)));
    assert_eq!(limits.budgets.map(|budgets| budgets.len()), Some(0));
    let rules = team.cache.over(&settings.cache);
    assert_eq!((rules.enabled, rules.scope), (false, CacheScope::Shared));
}

#[test]
fn the_example_is_right_without_any_secret() {
    let checks = Checks { allow_missing_secrets: true, ..checks() };
    let loaded = load(&Source::Text(EXAMPLE.to_owned()), &Environment::default(), &checks)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.settings.teams.len(), 2);
}

#[test]
fn the_example_shows_the_defaults() {
    let variables = [("EVOLINK_API_KEY", "k"), ("DESIGN_OLD_KEY", "a"), ("CHAT_KEY", "b")];
    let mut example = loaded(EXAMPLE, &variables);
    example.teams.clear();
    assert_eq!(printed(&example), printed(&loaded("", &[])));
}

#[test]
fn the_example_names_every_setting() {
    fn missing(schema: &Value, shown: &Value, path: &Path, list: &mut Vec<String>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        for (key, below) in properties {
            match shown.get(key) {
                // What excludes something else is there as a comment.
                None if EXAMPLE.contains(&format!("#  {key}: ")) => {}
                None => list.push(path.join(key.as_str()).to_string()),
                Some(shown) => missing(below, shown, &path.join(key.as_str()), list),
            }
        }
    }
    let document = yaml::parse(EXAMPLE).unwrap_or_else(|problem| panic!("{problem}")).tree;
    let schema = schema();
    let mut list = Vec::new();
    missing(&schema, &document, &Path::root(), &mut list);
    missing(&schema["properties"]["teams"]["items"], &document["teams"][0], &Path::root(), &mut list);
    // The default limits show none of a team's.
    list.retain(|path| !path.starts_with("limits."));
    assert_eq!(list, [""; 0]);
}

#[test]
fn what_is_printed_is_a_configuration_without_secrets() {
    let yaml = "
server: {admin_token: canary-a}
evolink: {proxy: 'http://user:canary-b@proxy.internal:3128'}
teams: [{name: a, keys: [{name: k, secret: canary-c}]}]
images: {link_secret: canary-d, s3: {bucket: b, access_key_id: i, secret_access_key: canary-e}}
state: {redis: {url: 'redis://:canary-f@redis.internal'}}
";
    let settings = loaded(yaml, &[]);
    let shown = printed(&settings);
    let debug = format!("{settings:?}");
    assert!(!shown.contains("canary") && !debug.contains("canary"), "{shown}\n{debug}");
    let again = printed(&loaded(&shown, &[]));
    assert_eq!(again, shown);
}

#[test]
fn the_defaults_are_within_their_own_bounds() {
    let shown = Value::from(Settings::default().shown(Secrets::Hidden));
    let origin = Origin::default();
    let mut reader = Reader::new(&origin);
    assert!(Settings::read(&shown, &mut reader).is_some());
    assert_eq!(reader.into_findings().problems, []);
}

#[test]
fn the_schema_is_as_documented() {
    insta::assert_snapshot!(format!("{:#}", schema()));
}

#[test]
fn the_printed_defaults_are_as_documented() {
    insta::assert_snapshot!(printed(&loaded("", &[("EVOLINK_GATEWAY_KEY", "s")])));
}

#[test]
fn missing_secrets_may_be_allowed() {
    let yaml = "
evolink: {api_key: '${A}', max_tasks: '${B}'}
teams: [{name: a, keys: [{name: k, secret: '${C}'}, {name: l, sha256: '${file:/nowhere}'}]}]
state: {store: redis, redis: {url: '${D}'}}
";
    let checks = Checks { allow_missing_secrets: true, ..checks() };
    let outcome = load(&Source::Text(yaml.to_owned()), &Environment::default(), &checks);
    let settings = outcome.unwrap_or_else(|problems| panic!("{problems}")).settings;
    assert_eq!(settings.evolink.max_tasks, 32);
    assert_eq!(settings.teams[0].keys.len(), 2);
}

#[test]
fn the_named_file_wins_over_the_variable() {
    let environment = Environment::from_iter([("EVOLINK_GATEWAY_CONFIG", "/b.yaml")]);
    let named = Source::choose(Some("/a.yaml".into()), &environment);
    assert_eq!(named, Source::File("/a.yaml".into()));
    assert_eq!(Source::choose(None, &environment), Source::File("/b.yaml".into()));
}

#[test]
fn warnings_are_for_what_is_given_only() {
    assert_eq!(outcome("", &[]).unwrap().warnings, []);
    let variables = [("EVOLINK_GATEWAY__LOG__PROMPTS", "true")];
    let told = outcome("tracing: {otlp_endpoint: \"http://a:4317\"}", &variables).unwrap().warnings;
    let paths: Vec<String> = told.iter().map(|warning| warning.path.to_string()).collect();
    assert_eq!(paths, ["log.prompts", "tracing.otlp_endpoint"]);
}
