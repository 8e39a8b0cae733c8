//! Teams and keys: names and secrets are there once.

use std::collections::BTreeMap;

use super::{Findings, budgets};
use crate::config::path::Path;
use crate::config::secret::Sha256Hash;
use crate::config::settings::{Key, Settings};

/// The longest name of a team or key, in characters: names go into metrics, logs and headers.
const NAME_MAX: usize = 64;

pub(super) fn check(settings: &Settings, findings: &mut Findings<'_>) {
    let mut names = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (index, team) in settings.teams.iter().enumerate() {
        let path = Path::of(&["teams"]).join(index);
        name(&team.name, &path, &mut names, findings);
        budgets::limits(&team.limits, &path.join("limits"), findings);
        let mut key_names = BTreeMap::new();
        for (index, key) in team.keys.iter().enumerate() {
            let path = path.join("keys").join(index);
            name(&key.name, &path, &mut key_names, findings);
            budgets::limits(&key.limits, &path.join("limits"), findings);
            secret(key, &path, &mut secrets, findings);
        }
    }
}

fn name<'n>(name: &'n str, path: &Path, known: &mut BTreeMap<&'n str, Path>, findings: &mut Findings<'_>) {
    let path = path.join("name");
    let is_printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !is_printable || name.chars().count() > NAME_MAX {
        findings.add(&path, format!("must be 1 to {NAME_MAX} printable characters"));
    } else if let Some(first) = known.get(name) {
        let first = findings.place(first);
        findings.add(&path, format!("`{name}` is taken by {first}; names must differ"));
    } else {
        known.insert(name, path);
    }
}

fn secret(key: &Key, path: &Path, known: &mut BTreeMap<Sha256Hash, Path>, findings: &mut Findings<'_>) {
    let hash = match (&key.sha256, &key.secret) {
        (Some(hash), None) => *hash,
        (None, Some(secret)) => secret.sha256(),
        (Some(_), Some(_)) => {
            return findings.add(path, "has both sha256 and secret; keep one of them");
        }
        (None, None) => {
            return findings.add(path, "needs sha256 or secret; `evolink-gateway key create` makes them");
        }
    };
    match known.get(&hash) {
        Some(first) => {
            let first = findings.place(first);
            findings.add(path, format!("has the same secret as {first}; secrets must differ"));
        }
        None => {
            known.insert(hash, path.clone());
        }
    }
}
