//! The limits of all keys and teams; a reload replaces it.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits::{Account, CallerLimits, Limits};

/// A team's limits and its weight in the queue.
type TeamEntry = (Arc<Limits>, u32);

/// Who may do how much.
#[derive(Debug, Default)]
pub struct Book {
    teams: HashMap<Arc<str>, TeamEntry>,
    keys: HashMap<(Arc<str>, Arc<str>), Arc<Limits>>,
}

impl Book {
    /// The limits of teams, each with the team's weight, and those of keys.
    pub fn new(limits: impl IntoIterator<Item = (Limits, u32)>) -> Self {
        let mut book = Self::default();
        for (limits, weight) in limits {
            match limits.account.clone() {
                Account::Team(team) => {
                    book.teams.insert(team, (limits.into(), weight));
                }
                Account::Key { team, name } => {
                    book.keys.insert((team, name), limits.into());
                }
            }
        }
        book
    }

    /// What holds for a key; who is not in the book has no limits.
    pub fn of(&self, team: &Arc<str>, key: &str) -> CallerLimits {
        let (of_team, weight) = self
            .teams
            .get(team)
            .cloned()
            .unwrap_or_else(|| (Limits::none(Account::Team(Arc::clone(team))).into(), 1));
        let name: Arc<str> = key.into();
        let of_key = self.keys.get(&(Arc::clone(team), Arc::clone(&name))).cloned();
        let of_key =
            of_key.unwrap_or_else(|| Limits::none(Account::Key { team: Arc::clone(team), name }).into());
        CallerLimits { key: of_key, team: of_team, weight }
    }

    /// How many images an account may have made at once.
    pub fn concurrent_images(&self, account: &Account) -> Option<u32> {
        let limits = match account {
            Account::Team(team) => &self.teams.get(team)?.0,
            Account::Key { team, name } => self.keys.get(&(Arc::clone(team), Arc::clone(name)))?,
        };
        limits.concurrent_images
    }

    /// A team's weight in the queue; that of a stranger is 1.
    pub fn weight(&self, team: &Account) -> u32 {
        match team {
            Account::Team(team) => self.teams.get(team).map_or(1, |(_, weight)| *weight),
            Account::Key { .. } => 1,
        }
    }

    /// All teams, in no order.
    pub fn teams(&self) -> impl Iterator<Item = &Arc<Limits>> {
        self.teams.values().map(|(limits, _)| limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_own_limits_and_its_teams_and_a_stranger_none() {
        let design: Arc<str> = "design".into();
        let of_team = Limits {
            max_n: Some(4),
            concurrent_images: Some(8),
            ..Limits::none(Account::Team(Arc::clone(&design)))
        };
        let account = Account::Key { team: Arc::clone(&design), name: "ci".into() };
        let of_key = Limits { max_n: Some(2), ..Limits::none(account) };
        let book = Book::new([(of_team, 3), (of_key, 1)]);
        let found = |team: &str, key| {
            let limits = book.of(&team.into(), key);
            (limits.key.max_n, limits.team.max_n, limits.weight)
        };
        assert_eq!(found("design", "ci"), (Some(2), Some(4), 3));
        assert_eq!(found("design", "web"), (None, Some(4), 3));
        assert_eq!(found("ops", "ci"), (None, None, 1));
        assert_eq!(book.teams().count(), 1);
        let team = |name: &str| Account::Team(name.into());
        assert_eq!((book.weight(&team("design")), book.weight(&team("ops"))), (3, 1));
        assert_eq!(book.concurrent_images(&team("design")), Some(8));
        assert_eq!(book.concurrent_images(&team("ops")), None);
    }
}
