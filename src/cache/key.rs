//! The name of a result: what it is of, and who may have it.

use std::fmt;
use std::sync::Arc;

use crate::image::Fingerprint;

/// Those who share a result. A result belongs to one circle, and is looked for in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Circle {
    Team(Arc<str>),
    /// All teams whose scope is `shared`.
    Shared,
}

/// As it is written down; no two circles are written alike.
impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => write!(f, "team:{team}"),
            Self::Shared => f.write_str("shared"),
        }
    }
}

/// The name of a result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub circle: Circle,
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_team_is_written_like_the_shared_circle() {
        let team = |name: &str| Circle::Team(name.into()).to_string();
        assert_eq!((team("design").as_str(), Circle::Shared.to_string().as_str()), ("team:design", "shared"));
        assert!(["shared", "", "team:design"].iter().all(|name| team(name) != Circle::Shared.to_string()));
        assert_ne!(team("team:design"), team("design"));
    }
}
