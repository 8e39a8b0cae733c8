//! From the cache's settings to the rules of each team.

use std::sync::Arc;

use super::policy::DEFAULT_TEAM;
use crate::cache::{Rules, Scope};
use crate::config::Settings;
use crate::config::settings::{CacheScope, TeamCache};

/// Of all configured teams; without any, of the default one.
pub(super) fn rules(settings: &Settings) -> Vec<(Arc<str>, Rules)> {
    let of = |team: &TeamCache| {
        let rules = team.over(&settings.cache);
        let scope = match rules.scope {
            CacheScope::Team => Scope::Team,
            CacheScope::Shared => Scope::Shared,
        };
        Rules { enabled: rules.enabled, scope, ttl: rules.ttl }
    };
    if settings.teams.is_empty() {
        return vec![(DEFAULT_TEAM.into(), of(&TeamCache::default()))];
    }
    settings.teams.iter().map(|team| (team.name.as_str().into(), of(&team.cache))).collect()
}
