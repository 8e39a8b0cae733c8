//! Keeps README and docs/ true: what they list is read from the code, and what the code has must be listed.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these helpers of tests fail as tests do"
)]

#[path = "docs/log.rs"]
mod log;
#[path = "docs/models.rs"]
mod models;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use evolink_gateway::catalog::Catalog;
use evolink_gateway::cli::Cli;
use evolink_gateway::config::{self, Checks, Environment, Source};
use evolink_gateway::fault::{Fault, FaultKind};
use evolink_gateway::money::Credits;
use evolink_gateway::openai::parameter_names;
use evolink_gateway::telemetry::{BudgetGauge, Call, CallStatus, Metrics};

const README: &str = include_str!("../README.md");
const API: &str = include_str!("../docs/API.md");
const OPERATIONS: &str = include_str!("../docs/OPERATIONS.md");
const LOGGING: &str = include_str!("../docs/LOGGING.md");
const CONTRIBUTING: &str = include_str!("../CONTRIBUTING.md");

/// The text under a heading, up to the next heading of any level.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, rest) =
        text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    rest.split("\n#").next().unwrap_or(rest)
}

/// The cells of every row of the first table of a section whose head begins with `head`.
fn table<'t>(text: &'t str, head: &str) -> Vec<Vec<&'t str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// All texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The first text in backticks of every row's first cell.
fn names(table: &[Vec<&str>]) -> BTreeSet<String> {
    table.iter().flat_map(|row| quoted(row[0])).map(str::to_owned).collect()
}

#[test]
fn every_failure_is_in_the_error_table_as_it_is_answered() {
    let rows = table(section(API, "## Errors"), "situation");
    let is_row_of = |row: &[&str], kind: FaultKind| {
        let fault = Fault::new(kind, "");
        row[1] == fault.status().to_string()
            && row[2] == format!("`{}`", fault.error_type())
            && quoted(row[3]).any(|code| code == fault.code())
            && row[4].split(',').next() == Some(if fault.should_retry() { "true" } else { "false" })
    };
    for kind in FaultKind::ALL {
        let found = rows.iter().filter(|row| is_row_of(row, kind)).count();
        assert_eq!(found, 1, "rows of {kind:?}");
    }
    assert_eq!(rows.len(), FaultKind::ALL.len(), "a row that no failure has");
}

#[test]
fn the_parameter_table_names_the_known_parameters_and_none_else() {
    let rows = table(section(API, "## Parameters"), "parameter");
    let mut told: Vec<_> = rows.iter().filter_map(|row| quoted(row[0]).next()).collect();
    let mut known: Vec<_> = parameter_names().collect();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
}

/// Metrics with every family touched, since untouched ones are not written.
fn touched() -> Metrics {
    let metrics = Metrics::new();
    metrics.request("/v1/models", "team", 200, "", "bypass", 1.0);
    metrics.overhead("/v1/models", 0.1);
    drop((metrics.waiting("team"), metrics.running("team"), metrics.queued("team")));
    metrics.generation("team", "model", "low", "completed", 1.0);
    metrics.images("team", "model", 1, Credits::ZERO);
    metrics.cache_lookup("hit");
    metrics.cache_entries(1);
    metrics.joined();
    metrics.quota_rejection("team", "requests_per_minute");
    metrics.quota_overshoot(Credits::ZERO);
    metrics.upstream(Call::Create, CallStatus::Timeout, 1.0);
    metrics.noticed(1, 0.1);
    metrics.credits_remaining(Credits::ZERO);
    metrics.credits_drift(0);
    let (team, unit, per, mode) = ("team".to_owned(), "images", "day", "enforce");
    metrics.budgets(vec![BudgetGauge { team, unit, per, mode, limit: 1, taken: Some((0, 0)) }]);
    metrics.picture_store_failure("put", "full");
    metrics.picture_store_bytes(1);
    metrics.config_reload(true);
    metrics
}

#[test]
fn the_metrics_table_names_every_metric_and_none_else() {
    let rendered = touched().render();
    let written: BTreeSet<String> = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned))
        .collect();
    // Families that this test forgot to touch.
    let declared =
        include_str!("../src/telemetry/families.rs").rsplit("\nfamilies! {").next().unwrap_or_default();
    let declared = declared.lines().filter(|line| line.starts_with("    ") && line.ends_with(';'));
    for name in declared.filter_map(|line| line.trim().split(':').next()) {
        assert!(written.contains(&format!("evolink_gateway_{name}")), "{name} is not touched by this test");
    }
    assert_eq!(names(&table(section(OPERATIONS, "## Metrics"), "metric")), written);
}

#[test]
fn alerts_use_metrics_that_exist() {
    let rendered = touched().render();
    let alerts = section(OPERATIONS, "## Metrics").split("```promql").nth(1).unwrap_or_default();
    let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for metric in words.filter(|word| word.starts_with("evolink_gateway_")) {
        assert!(rendered.contains(metric), "{metric}");
    }
}

#[test]
fn every_command_is_documented_and_no_other() {
    let commands: BTreeSet<String> =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let told = table(section(OPERATIONS, "## Commands"), "command");
    let told: BTreeSet<String> =
        names(&told).iter().filter_map(|command| command.split(' ').next().map(str::to_owned)).collect();
    assert_eq!(told, commands);
}

#[test]
fn every_make_verb_that_is_named_exists() {
    let makefile = include_str!("../Makefile");
    let verbs: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains(':') && line.contains("## "))
        .filter_map(|line| line.split(':').next())
        .collect();
    for text in [README, CONTRIBUTING] {
        let named = text
            .split("make ")
            .skip(1)
            .zip(text.split("make "))
            .filter(|(_, before)| before.ends_with('`') || before.ends_with('\n'));
        let mut count = 0;
        for (verb, _) in named {
            let verb = verb
                .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-')
                .next()
                .unwrap_or_default();
            assert!(verbs.contains(verb), "make {verb}");
            count += 1;
        }
        assert!(count > 0);
    }
}

#[test]
fn the_readmes_configurations_are_valid_and_every_setting_in_them_has_effect() {
    let examples = README.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let environment = Environment::from_iter([("EVOLINK_API_KEY", "upstream"), ("CHAT_KEY", "secret")]);
    let known_models = Catalog::model_ids();
    let checks = Checks { known_models, allow_missing_secrets: false };
    let teams = examples.map(|yaml| {
        let loaded = config::load(&Source::Text(yaml.to_owned()), &environment, &checks)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0]);
        loaded.settings.teams.len()
    });
    assert_eq!(teams.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn every_setting_that_operations_calls_without_effect_is_one() {
    let text = section(OPERATIONS, "## Configuration");
    let (_, list) = text.split_once("**Not there yet.**").expect("the paragraph");
    let source = include_str!("../src/config/not_yet.rs");
    for name in quoted(list).filter(|name| *name != "check") {
        let steps: Vec<_> =
            name.split('.').map(|step| format!("\"{}\"", step.trim_end_matches("[]"))).collect();
        assert!(steps.iter().all(|step| source.contains(step)), "{name}");
    }
}

/// Rust sources of the gateway, without the simulator's.
fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && !entry.ends_with("simulator") {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&entry).expect("a source file"));
        }
    }
}

#[test]
fn every_logged_message_that_is_documented_is_in_the_code() {
    let mut code = String::new();
    sources(&root().join("src"), &mut code);
    for row in table(section(LOGGING, "## Messages"), "level") {
        let cell = row[1].replace("`` ", "``");
        let messages: Vec<_> = match cell.strip_prefix("``") {
            Some(rest) => vec![rest.trim_end_matches('`').to_owned()],
            None => quoted(&cell)
                .filter(|text| text.contains(' ') || *text == "listening" || *text == "stopped")
                .map(str::to_owned)
                .collect(),
        };
        for message in messages {
            assert!(code.contains(&format!("\"{message}\"")), "no message {message:?}");
        }
    }
}

#[test]
fn every_route_for_operators_is_documented_and_no_other() {
    let code = include_str!("../src/server/admin.rs");
    let routed: BTreeSet<String> = code
        .split(".route(\"/admin/")
        .skip(1)
        .filter_map(|rest| {
            let (path, handler) = rest.split_once("\", ")?;
            Some(format!("{} /admin/{path}", handler.split('(').next()?.to_uppercase()))
        })
        .collect();
    assert_eq!(names(&table(section(OPERATIONS, "## Admin API"), "route")), routed);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A heading as it is linked to: lower case, spaces as hyphens, without punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
    headings
        .map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let docs = fs::read_dir(root().join("docs")).expect("docs/").map(|entry| entry.expect("an entry").path());
    let pages = docs.chain(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&page).expect("a page");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
            if !anchor.is_empty() {
                let target = fs::read_to_string(&target).expect("a page");
                assert!(
                    anchors(&target).contains(anchor),
                    "{} links to {link}: no such heading",
                    page.display()
                );
            }
        }
    }
}
