//! GET /admin/v1/teams: the teams in force.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::Desk;
use crate::cache::Rules;

/// A team as operators see it.
#[derive(Debug, Clone)]
pub struct TeamListing {
    pub name: String,
    /// The resolved models it may use; None is all.
    pub models: Option<Vec<String>>,
    /// Parameters without effect are refused.
    pub strict: bool,
    /// How many keys the configuration gives it.
    pub keys: usize,
}

pub(super) async fn list(State(desk): State<Desk>) -> Response {
    let policy = desk.gateway.policy.load();
    let minted = desk.gateway.mint.table();
    let minted_of = |team: &str| minted.entries().filter(|(key, _)| key.team == team).count();
    let rules = |team: &str| desk.gateway.generations.cache_rules(team);
    let shown = |team| shown(team, minted_of(&team.name), rules(&team.name));
    let data: Vec<Value> = policy.admin.teams.iter().map(shown).collect();
    super::json(&json!({"data": data}))
}

fn shown(team: &TeamListing, minted: usize, rules: Rules) -> Value {
    let TeamListing { name, models, strict, keys } = team;
    let cache =
        json!({"enabled": rules.enabled, "scope": rules.scope.name(), "ttl_seconds": rules.ttl.as_secs()});
    json!({"name": name, "models": models, "strict": strict, "cache": cache, "keys": keys + minted})
}
