//! From settings to the policy a request is judged by: keys, catalog, strictness.

use std::collections::BTreeMap;

use super::prices::table;
use super::rows::RowProblem;
use crate::catalog::{self, Catalog};
use crate::config::Settings;
use crate::config::settings::{Alias, Key, ResponseFormat, Team};
use crate::image::{Compression, Delivery};
use crate::keys::{self, KeyDigest, KeySpec, Keys, KeysError, SecretKey, mint_first_key};
use crate::server::{AdminPolicy, Policy, TeamListing};

/// The team of a gateway that has none configured.
pub(super) const DEFAULT_TEAM: &str = "default";

/// Why settings make no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Keys(Vec<KeysError>),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rows(Vec<RowProblem>),
    #[error("no team is configured, and no first key could be kept in {path} (state.path): {error}")]
    FirstKey { path: String, error: std::io::Error },
}

/// Keys, catalog and strictness as the settings say. Without any team a first key is minted into `state.path`;
/// reads and writes that file, so it blocks.
pub fn policy(settings: &Settings) -> Result<Policy, PolicyError> {
    let rows = table(settings).map_err(PolicyError::Rows)?;
    let mut teams: Vec<_> = settings.teams.iter().map(|team| team_of(team, settings)).collect();
    let mut specs: Vec<_> = settings.teams.iter().flat_map(specs_of).collect();
    if settings.teams.is_empty() {
        teams.push(keys::Team { strict: settings.strict, ..keys::Team::new(DEFAULT_TEAM) });
        specs.push(first_key(settings)?);
    }
    let listings = listings(&teams, &specs);
    Ok(Policy {
        keys: Keys::new(teams, specs).map_err(PolicyError::Keys)?,
        admin: AdminPolicy {
            token: settings
                .server
                .admin_token
                .as_ref()
                .filter(|token| !token.is_empty())
                .map(|token| keys::hash_secret(token.expose())),
            teams: listings,
        },
        catalog: Catalog::with_rows(rows, aliases(settings), settings.models.default.clone()),
    })
}

fn team_of(team: &Team, settings: &Settings) -> keys::Team {
    keys::Team {
        models: team.models.clone(),
        strict: team.strict.unwrap_or(settings.strict),
        ..keys::Team::new(team.name.as_str())
    }
}

/// The teams as the admin API shows them.
fn listings(teams: &[keys::Team], specs: &[KeySpec]) -> Vec<TeamListing> {
    let listing = |team: &keys::Team| TeamListing {
        name: team.name.to_string(),
        models: team.models.clone(),
        strict: team.strict,
        keys: specs.iter().filter(|spec| spec.team == *team.name).count(),
    };
    teams.iter().map(listing).collect()
}

fn specs_of(team: &Team) -> impl Iterator<Item = KeySpec> {
    team.keys.iter().filter_map(|key| spec(&team.name, key))
}

fn spec(team: &str, key: &Key) -> Option<KeySpec> {
    let digest = KeyDigest::from_bytes(key.hash()?.bytes());
    Some(KeySpec { team: team.to_owned(), name: key.name.clone(), digest, expires: key.expires })
}

fn first_key(settings: &Settings) -> Result<KeySpec, PolicyError> {
    let path = &settings.state.path;
    let first = mint_first_key(path)
        .map_err(|error| PolicyError::FirstKey { path: path.display().to_string(), error })?;
    let path = first.path.display();
    tracing::info!(%path, minted = first.minted, "no team is configured: the key of team `default` is in this file");
    show_on_terminal(&first.secret);
    Ok(KeySpec {
        team: DEFAULT_TEAM.into(),
        name: "first".into(),
        digest: first.secret.digest(),
        expires: None,
    })
}

/// The secret is shown to a person, never to a log collector.
#[expect(clippy::print_stderr, reason = "shown on a terminal only, and never through the log")]
fn show_on_terminal(secret: &SecretKey) {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprintln!("team key: {}", secret.expose());
    }
}

fn aliases(settings: &Settings) -> BTreeMap<String, catalog::Alias> {
    settings.models.aliases.iter().map(|(name, alias)| (name.clone(), alias_of(alias))).collect()
}

fn alias_of(alias: &Alias) -> catalog::Alias {
    catalog::Alias {
        model: alias.model.clone(),
        delivery: alias.response_format.map(|format| match format {
            ResponseFormat::Url => Delivery::Url,
            ResponseFormat::B64Json => Delivery::Base64,
        }),
        quality: alias.quality,
        // Checked when the settings were loaded.
        size: alias.size.as_deref().and_then(|size| size.parse().ok()),
        resolution: alias.resolution,
        background: alias.background,
        format: alias.output_format,
        compression: alias.output_compression.and_then(|percent| Compression::new(percent.into())),
    }
}
