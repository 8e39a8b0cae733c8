//! Whose turn it is: a queue in which each team has its share, by its weight.
//!
//! Each team has its own line. A turn goes to the team that has had least for its weight, among those that may have one
//! now; a team that was away comes back without arrears, so that nobody saves turns up. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// What one turn of a team with weight 1 counts; divided by the weight.
const TURN: u64 = 1_000_000;

/// The teams' lines. `K` names a team, `T` is what waits.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    lines: HashMap<K, Line<T>>,
    /// What the team that had the last turn had had before it.
    now: u64,
    next: u64,
    len: usize,
}

#[derive(Debug)]
struct Line<T> {
    weight: u32,
    had: u64,
    waiting: VecDeque<(Ticket, T)>,
}

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), now: 0, next: 0, len: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord, T> FairQueue<K, T> {
    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts one at the end of its team's line. The weight (at least 1) holds from now on.
    pub fn push(&mut self, team: &K, weight: u32, item: T) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.len += 1;
        let now = self.now;
        let line = self.lines.entry(team.clone()).or_insert_with(|| Line {
            weight,
            had: now,
            waiting: VecDeque::new(),
        });
        if line.waiting.is_empty() {
            line.had = line.had.max(now);
        }
        line.weight = weight.max(1);
        line.waiting.push_back((ticket, item));
        ticket
    }

    /// Takes the one whose turn it is out of the queue: of each team the first that may have a turn now.
    pub fn pop(&mut self, may: impl Fn(&K, &T) -> bool) -> Option<(K, T)> {
        let first = |(team, line): (&K, &Line<T>)| {
            let at = line.waiting.iter().position(|(_, item)| may(team, item))?;
            // Of several teams that have had the same, the one whose waits longest.
            Some((line.had, line.waiting.get(at)?.0, team.clone(), at))
        };
        let (had, _, team, at) = self.lines.iter().filter_map(first).min()?;
        let line = self.lines.get_mut(&team)?;
        let (_, item) = line.waiting.remove(at)?;
        self.now = self.now.max(had);
        line.had += TURN / u64::from(line.weight);
        self.len -= 1;
        self.forget_idle();
        Some((team, item))
    }

    /// Takes one out that waits no longer.
    pub fn remove(&mut self, team: &K, ticket: Ticket) -> Option<T> {
        let line = self.lines.get_mut(team)?;
        let at = line.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        let (_, item) = line.waiting.remove(at)?;
        self.len -= 1;
        self.forget_idle();
        Some(item)
    }

    /// How many turns come before its own, should nobody else come and every team be let: 0 is next.
    pub fn ahead(&self, team: &K, ticket: Ticket) -> Option<usize> {
        let (line, own) = (self.lines.get(team)?, self.own_ahead(team, ticket)?);
        // When its turn comes, its team will have had this much.
        let own_u64 = u64::try_from(own).ok()?;
        let at = line.had + own_u64 * (TURN / u64::from(line.weight));
        let others = self.lines.iter().filter(|(other, _)| *other != team).map(|(_, other)| {
            let step = (TURN / u64::from(other.weight)).max(1);
            let turns = if other.had <= at { (at - other.had) / step + 1 } else { 0 };
            usize::try_from(turns).unwrap_or(usize::MAX).min(other.waiting.len())
        });
        Some(own + others.sum::<usize>())
    }

    /// How many of its own team come before it.
    pub fn own_ahead(&self, team: &K, ticket: Ticket) -> Option<usize> {
        self.lines.get(team)?.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }

    /// Waiting ones of each team.
    pub fn lengths(&self) -> BTreeMap<K, usize> {
        let lines = self.lines.iter().filter(|(_, line)| !line.waiting.is_empty());
        lines.map(|(team, line)| (team.clone(), line.waiting.len())).collect()
    }

    /// A team without anybody waiting is remembered as long as it has had more than others.
    fn forget_idle(&mut self) {
        let now = self.now;
        self.lines.retain(|_, line| !line.waiting.is_empty() || line.had > now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(queue: &mut FairQueue<&'static str, u32>, count: usize) -> Vec<&'static str> {
        (0..count).map_while(|_| queue.pop(|_, _| true).map(|(team, _)| team)).collect()
    }

    #[test]
    fn one_request_does_not_wait_behind_a_thousand_of_another_team() {
        let mut queue = FairQueue::default();
        (0..1000).for_each(|number| {
            queue.push(&"busy", 1, number);
        });
        assert_eq!(turns(&mut queue, 3), ["busy"; 3]);
        let ticket = queue.push(&"calm", 1, 0);
        assert!(queue.ahead(&"calm", ticket).unwrap() <= 1);
        assert!(turns(&mut queue, 2).contains(&"calm"));
    }

    #[test]
    fn turns_are_shared_by_weight() {
        let mut queue = FairQueue::default();
        for number in 0..100 {
            queue.push(&"three", 3, number);
            queue.push(&"one", 1, number);
        }
        let three = turns(&mut queue, 40).iter().filter(|team| **team == "three").count();
        assert!((29..=31).contains(&three), "{three}");
    }

    #[test]
    fn who_was_away_has_saved_nothing_up() {
        let mut queue = FairQueue::default();
        (0..100).for_each(|number| {
            queue.push(&"there", 1, number);
        });
        turns(&mut queue, 50);
        (0..10).for_each(|number| {
            queue.push(&"back", 1, number);
        });
        let back = turns(&mut queue, 10).iter().filter(|team| **team == "back").count();
        assert!((5..=6).contains(&back), "{back}");
    }

    #[test]
    fn a_team_that_may_not_is_passed_over_and_loses_nothing() {
        let mut queue = FairQueue::default();
        for number in 0..4 {
            queue.push(&"full", 1, number);
            queue.push(&"free", 1, number);
        }
        assert_eq!(queue.pop(|team, _| *team != "full"), Some(("free", 0)));
        assert_eq!(queue.pop(|team, _| *team != "full"), Some(("free", 1)));
        assert_eq!(turns(&mut queue, 2), ["full"; 2]);
        assert_eq!(queue.pop(|_, _| false), None);
    }

    #[test]
    fn within_a_team_the_first_that_may_goes() {
        let mut queue = FairQueue::default();
        (0..4).for_each(|number| {
            queue.push(&"a", 1, number);
        });
        assert_eq!(queue.pop(|_, number| number % 2 == 1), Some(("a", 1)));
        assert_eq!(queue.pop(|_, _| true), Some(("a", 0)));
    }

    #[test]
    fn what_leaves_is_gone_and_the_others_move_up() {
        let mut queue = FairQueue::default();
        let tickets: Vec<_> = (0..3).map(|number| queue.push(&"a", 1, number)).collect();
        assert_eq!(queue.ahead(&"a", tickets[2]), Some(2));
        assert_eq!(queue.remove(&"a", tickets[1]), Some(1));
        assert_eq!(queue.remove(&"a", tickets[1]), None);
        assert_eq!((queue.ahead(&"a", tickets[2]), queue.len()), (Some(1), 2));
    }

    proptest! {
        #[test]
        fn everyone_has_a_turn_in_the_order_of_the_own_line_and_places_are_told_right(
            pushes in proptest::collection::vec((0_usize..4, 1_u32..5), 1..60),
        ) {
            const TEAMS: [&str; 4] = ["a", "b", "c", "d"];
            let weights: Vec<u32> = TEAMS.iter().enumerate().map(|(at, _)| {
                pushes.iter().find(|(team, _)| *team == at).map_or(1, |(_, weight)| *weight)
            }).collect();
            let mut queue = FairQueue::default();
            let mut tickets = Vec::new();
            for (number, (team, _)) in pushes.iter().enumerate() {
                tickets.push((TEAMS[*team], queue.push(&TEAMS[*team], weights[*team], number)));
            }
            let told: Vec<usize> = tickets.iter().map(|(team, ticket)| queue.ahead(team, *ticket).unwrap()).collect();
            let mut served = Vec::new();
            while let Some((_, number)) = queue.pop(|_, _| true) {
                served.push(number);
            }
            prop_assert_eq!(served.len(), pushes.len());
            prop_assert!(queue.is_empty());
            for team in 0..4 {
                let own: Vec<_> = served.iter().filter(|number| pushes[**number].0 == team).collect();
                prop_assert!(own.is_sorted());
            }
            for (number, told) in told.iter().enumerate() {
                let place = served.iter().position(|served| *served == number).unwrap();
                // Teams that have had the same are told apart by the ticket, and weights do not divide evenly.
                prop_assert!(place.abs_diff(*told) <= TEAMS.len(), "{place} told as {told}");
            }
        }
    }
}
