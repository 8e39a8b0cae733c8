//! Whose turn it is: a queue in which each team has its share, by its weight.
//!
//! Each team has its own line, and in it each key its own. A turn goes to the team that has had least for its weight,
//! among those that may have one now. Nobody saves turns up: a team that was away, or that might not have a turn while
//! others had theirs, comes back without arrears. A turn costs a look at each team that waits and at the keys of those
//! that may have it, however many wait behind. Pure.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// What one turn of a team with weight 1 counts; divided by the weight.
const TURN: u64 = 1_000_000;

/// The lines. `K` names teams and their keys, `T` is what waits.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    lines: HashMap<K, Line<K, T>>,
    /// What the team that had the latest turn had had before it: nobody who waits has had less.
    now: u64,
    next: u64,
    len: usize,
}

/// A team's.
#[derive(Debug)]
struct Line<K, T> {
    weight: u32,
    had: u64,
    /// Of those keys that have any waiting, oldest first.
    keys: HashMap<K, VecDeque<(Ticket, T)>>,
}

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), now: 0, next: 0, len: 0 }
    }
}

impl<K, T> Line<K, T> {
    fn len(&self) -> usize {
        self.keys.values().map(VecDeque::len).sum()
    }

    /// Of each key no more than have `room`.
    fn len_within(&self, room: impl Fn(&K) -> usize) -> usize {
        let lens = self.keys.iter().map(|(key, waiting)| waiting.len().min(room(key)));
        lens.fold(0, usize::saturating_add)
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Of the keys that may, the one whose first waits longest.
    fn first(&self, may: impl Fn(&K) -> bool) -> Option<(Ticket, &K)> {
        let keys = self.keys.iter().filter(|(key, _)| may(key));
        let firsts = keys.filter_map(|(key, waiting)| Some((waiting.front()?.0, key)));
        firsts.min_by_key(|(ticket, _)| *ticket)
    }

    /// What a turn counts.
    fn step(&self) -> u64 {
        (TURN / u64::from(self.weight.max(1))).max(1)
    }
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of a team wait.
    pub fn of_team(&self, team: &K) -> usize {
        self.lines.get(team).map_or(0, Line::len)
    }

    /// How many of a key wait.
    pub fn of_key(&self, team: &K, key: &K) -> usize {
        self.lines.get(team).and_then(|line| line.keys.get(key)).map_or(0, VecDeque::len)
    }

    /// Puts one at the end of its key's line. The weight (at least 1) is the team's from now on.
    pub fn push(&mut self, team: &K, key: &K, weight: u32, item: T) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.len += 1;
        self.line(team, weight).keys.entry(key.clone()).or_default().push_back((ticket, item));
        ticket
    }

    /// Counts a turn that a team has had without waiting for it.
    pub fn count(&mut self, team: &K, weight: u32) {
        let nobody_waits = self.is_empty();
        let line = self.line(team, weight);
        let before = line.had;
        line.had = before.saturating_add(line.step());
        if nobody_waits {
            // Else whoever comes first had to pay for what nobody else wanted.
            self.now = self.now.max(before);
        }
        self.forget_idle();
    }

    /// Takes back the latest turn of a team, which was not used.
    pub fn give_back(&mut self, team: &K) {
        let now = self.now;
        if let Some(line) = self.lines.get_mut(team) {
            line.had = line.had.saturating_sub(line.step()).max(now);
        }
        self.forget_idle();
    }

    /// Takes the one whose turn it is out of the queue: of the team that has had least, among those that may have a turn
    /// now, the one who waits longest of the keys that may. Of teams that have had the same it is the one whose waits
    /// longest.
    pub fn pop(&mut self, may: impl Fn(&K) -> bool) -> Option<(K, T)> {
        let teams = self.lines.iter().filter(|(team, line)| !line.is_empty() && may(team));
        let next = teams.filter_map(|(team, line)| {
            let (ticket, key) = line.first(&may)?;
            Some((line.had, ticket, team, key))
        });
        let (had, ticket, team, key) = next.min_by_key(|(had, ticket, ..)| (*had, *ticket))?;
        let (team, key) = (team.clone(), key.clone());
        let item = self.take_out(&team, &key, ticket)?;
        // Those passed over have lost nothing, and saved nothing up either: they are next as soon as they may.
        self.lines.values_mut().filter(|line| !line.is_empty()).for_each(|line| line.had = line.had.max(had));
        self.now = self.now.max(had);
        if let Some(line) = self.lines.get_mut(&team) {
            line.had = had.saturating_add(line.step());
        }
        self.forget_idle();
        Some((team, item))
    }

    /// Takes one out that waits no longer.
    pub fn remove(&mut self, team: &K, key: &K, ticket: Ticket) -> Option<T> {
        let item = self.take_out(team, key, ticket);
        self.forget_idle();
        item
    }

    /// How many turns come before its own, should nobody else come and everybody be let: 0 is next.
    pub fn ahead(&self, team: &K, ticket: Ticket) -> Option<usize> {
        let line = self.lines.get(team)?;
        let is_there = |waiting: &VecDeque<(Ticket, T)>| {
            waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).is_ok()
        };
        line.keys.values().any(is_there).then_some(())?;
        let before = |waiting: &VecDeque<(Ticket, T)>| waiting.partition_point(|(other, _)| *other < ticket);
        let own = line.keys.values().map(before).sum();
        Some(self.turns_before(team, line.had, line.step(), own, |_, line| line.len()))
    }

    /// How many of the own team would surely come before one of this key that came now: all of the key, and of each
    /// other key as many as have `room`.
    pub fn ahead_in_team(&self, team: &K, key: &K, room: impl Fn(&K) -> usize) -> usize {
        let own = |other: &K| if other == key { usize::MAX } else { room(other) };
        self.lines.get(team).map_or(0, |line| line.len_within(own))
    }

    /// How many of all teams surely would: of each team and key as many as have `room`.
    pub fn ahead_of_next(&self, team: &K, key: &K, weight: u32, room: impl Fn(&K) -> usize) -> usize {
        let had = self.lines.get(team).map_or(self.now, |line| line.had.max(self.now));
        let step = (TURN / u64::from(weight.max(1))).max(1);
        let own = self.ahead_in_team(team, key, &room);
        self.turns_before(team, had, step, own, |other, line| room(other).min(line.len_within(&room)))
    }

    /// Gives each team that is known the weight that holds from now on.
    pub fn weigh(&mut self, weight: impl Fn(&K) -> u32) {
        self.lines.iter_mut().for_each(|(team, line)| line.weight = weight(team));
    }

    /// `own`: turns of the own team that come before. `most`: those that another team can have, whatever its share.
    fn turns_before(
        &self,
        team: &K,
        had: u64,
        step: u64,
        own: usize,
        most: impl Fn(&K, &Line<K, T>) -> usize,
    ) -> usize {
        // When the turn comes, the team will have had this much.
        let at = had.saturating_add(u64::try_from(own).unwrap_or(u64::MAX).saturating_mul(step));
        let others = self.lines.iter().filter(|(other, _)| *other != team);
        let turns = others.map(|(name, other)| {
            let turns = at.checked_sub(other.had).map_or(0, |room| room / other.step() + 1);
            usize::try_from(turns).unwrap_or(usize::MAX).min(most(name, other))
        });
        turns.fold(own, usize::saturating_add)
    }

    fn line(&mut self, team: &K, weight: u32) -> &mut Line<K, T> {
        let now = self.now;
        let line =
            self.lines.entry(team.clone()).or_insert_with(|| Line { weight, had: now, keys: HashMap::new() });
        line.weight = weight;
        if line.is_empty() {
            line.had = line.had.max(now);
        }
        line
    }

    fn take_out(&mut self, team: &K, key: &K, ticket: Ticket) -> Option<T> {
        let line = self.lines.get_mut(team)?;
        let waiting = line.keys.get_mut(key)?;
        let at = waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        let (_, item) = waiting.remove(at)?;
        if waiting.is_empty() {
            line.keys.remove(key);
        }
        self.len -= 1;
        Some(item)
    }

    /// A team without anybody waiting is remembered as long as it has had more than others.
    fn forget_idle(&mut self) {
        let now = self.now;
        self.lines.retain(|_, line| !line.is_empty() || line.had > now);
    }
}

#[cfg(test)]
mod tests;
