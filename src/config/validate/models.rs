//! Models: every name must lead to a model that is there.

use super::{Findings, prices};
use crate::config::Checks;
use crate::config::nearest;
use crate::config::path::Path;
use crate::config::settings::Settings;
use crate::image::Size;

pub(super) fn check(settings: &Settings, checks: &Checks, findings: &mut Findings<'_>) {
    let models = &settings.models;
    let own = models.catalog.iter().map(|row| row.id.as_str());
    let mut known: Vec<&str> = checks.known_models.iter().map(String::as_str).chain(own).collect();
    known.sort_unstable();
    known.dedup();
    let unknown = |name: &str| nearest::unknown("model", name, &known);
    if !known.contains(&models.default.as_str()) && !models.aliases.contains_key(&models.default) {
        findings.add(&Path::of(&["models", "default"]), unknown(&models.default));
    }
    for (name, alias) in &models.aliases {
        let path = Path::of(&["models", "aliases", name]);
        if !known.contains(&alias.model.as_str()) {
            findings.add(&path, unknown(&alias.model));
        }
        if alias.size.as_ref().is_some_and(|size| size.parse::<Size>().is_err()) {
            let message = "must be auto, a ratio such as \"16:9\", or WIDTHxHEIGHT such as 1024x1024";
            findings.add(&path.join("size"), message);
        }
        if alias.output_compression.is_some_and(|percent| percent > 100) {
            findings.add(&path.join("output_compression"), "must be from 0 to 100");
        }
    }
    for (index, row) in models.catalog.iter().enumerate() {
        let before = models.catalog.iter().take(index);
        if row.id.is_empty() || before.into_iter().any(|other| other.id == row.id) {
            let path = Path::of(&["models", "catalog"]).join(index).join("id");
            findings.add(&path, "must be given, and only once");
        }
    }
    for (index, team) in settings.teams.iter().enumerate() {
        let path = Path::of(&["teams"]).join(index).join("models");
        for (place, name) in team.models.iter().flatten().enumerate() {
            if !known.contains(&name.as_str()) {
                let message = match models.aliases.get(name) {
                    Some(alias) => format!("is an alias; name its model `{}`", alias.model),
                    None => unknown(name),
                };
                findings.add(&path.join(place), message);
            }
        }
    }
    prices::check(&settings.pricing, &known, findings);
}
