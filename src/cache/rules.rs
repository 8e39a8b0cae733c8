//! What holds for a team: whether its results are kept, for whom, and how long.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::HashMap;

use super::key::{Circle, Key};
use crate::image::Fingerprint;

/// With whom a team shares its results (`cache.scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Team,
    /// With all teams of this scope; finished results only.
    Shared,
}

impl Scope {
    /// As the setting has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Shared => "shared",
        }
    }
}

/// A team's use of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub enabled: bool,
    pub scope: Scope,
    /// How long a result is fresh.
    pub ttl: Duration,
}

impl Default for Rules {
    /// Those of a configuration that says nothing.
    fn default() -> Self {
        Self { enabled: true, scope: Scope::Team, ttl: Duration::from_hours(24) }
    }
}

impl Rules {
    /// Of a team that is not in the configuration (any more).
    const OFF: Self = Self { enabled: false, scope: Scope::Team, ttl: Duration::ZERO };

    /// The name of a result, for a team of these rules.
    pub fn key(&self, team: &Arc<str>, fingerprint: Fingerprint) -> Key {
        let circle = match self.scope {
            Scope::Team => Circle::Team(Arc::clone(team)),
            Scope::Shared => Circle::Shared,
        };
        Key { circle, fingerprint }
    }
}

/// The rules in force, by team; a reload replaces them at any moment.
#[derive(Debug)]
pub struct RuleBook {
    teams: ArcSwap<HashMap<Arc<str>, Rules>>,
    /// Of teams that are not in the book.
    others: Rules,
}

impl RuleBook {
    /// Teams that are not in it share nothing.
    pub fn new(teams: impl IntoIterator<Item = (Arc<str>, Rules)>) -> Self {
        Self { teams: ArcSwap::from_pointee(teams.into_iter().collect()), others: Rules::OFF }
    }

    /// The same rules for all teams.
    pub fn for_all(rules: Rules) -> Self {
        Self { teams: ArcSwap::default(), others: rules }
    }

    pub fn of(&self, team: &str) -> Rules {
        self.teams.load().get(team).copied().unwrap_or(self.others)
    }

    /// Replaces all of them.
    pub fn replace(&self, teams: impl IntoIterator<Item = (Arc<str>, Rules)>) {
        self.teams.store(Arc::new(teams.into_iter().collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        Fingerprint::from_bytes([7; 32])
    }

    #[test]
    fn teams_of_scope_shared_have_one_name_for_a_result_and_others_one_each() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let own = Rules::default();
        let shared = Rules { scope: Scope::Shared, ..own };
        assert_ne!(own.key(&a, fingerprint()), own.key(&b, fingerprint()));
        assert_eq!(shared.key(&a, fingerprint()), shared.key(&b, fingerprint()));
        assert_ne!(own.key(&a, fingerprint()), shared.key(&a, fingerprint()));
    }

    #[test]
    fn a_team_that_is_not_in_the_book_keeps_nothing() {
        let book = RuleBook::new([("a".into(), Rules::default())]);
        assert!(book.of("a").enabled && !book.of("b").enabled);
        book.replace([("b".into(), Rules::default())]);
        assert!(!book.of("a").enabled && book.of("b").enabled);
    }
}
