//! The limits of all keys and teams; a reload replaces it.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::HashMap;

use super::limits::{Account, CallerLimits, Limits};

/// A team's limits and its weight in the queue.
type TeamEntry = (Arc<Limits>, u32);

/// Who may do how much.
#[derive(Debug, Default)]
pub struct Book {
    teams: HashMap<Arc<str>, TeamEntry>,
    keys: HashMap<(Arc<str>, Arc<str>), Arc<Limits>>,
    /// Teams that are there no longer: what they still have under way keeps to the limits they had.
    former: HashSet<Arc<str>>,
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

    /// The book that follows `before`.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for (team, entry) in &before.teams {
            if !self.teams.contains_key(team) {
                self.teams.insert(Arc::clone(team), entry.clone());
                self.former.insert(Arc::clone(team));
            }
        }
        let of_former = before.keys.iter().filter(|((team, _), _)| self.former.contains(team));
        self.keys.extend(of_former.map(|(key, limits)| (key.clone(), Arc::clone(limits))));
        self
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

    /// All teams that there are, in no order.
    pub fn teams(&self) -> impl Iterator<Item = &Arc<Limits>> {
        let there = self.teams.iter().filter(|(team, _)| !self.former.contains(*team));
        there.map(|(_, (limits, _))| limits)
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

    #[test]
    fn a_team_that_is_gone_keeps_to_the_limits_it_had() {
        let of = |name: &str, concurrent_images| {
            let account = Account::Team(name.into());
            (Limits { concurrent_images, ..Limits::none(account) }, 2)
        };
        let key = Account::Key { team: "design".into(), name: "ci".into() };
        let of_key = Limits { max_n: Some(1), ..Limits::none(key) };
        let before = Book::new([of("design", Some(3)), of("ops", Some(4)), (of_key, 1)]);
        let book = Book::new([of("ops", None)]).after(&before);
        let found = book.of(&"design".into(), "ci");
        assert_eq!((found.team.concurrent_images, found.key.max_n, found.weight), (Some(3), Some(1), 2));
        assert_eq!(book.concurrent_images(&Account::Team("ops".into())), None);
        assert_eq!(book.teams().count(), 1, "it is not shown any more");
        let back = Book::new([of("ops", None), of("design", None)]).after(&book);
        assert_eq!(back.of(&"design".into(), "ci").team.concurrent_images, None);
        assert_eq!((back.of(&"design".into(), "ci").key.max_n, back.teams().count()), (None, 2));
    }
}
