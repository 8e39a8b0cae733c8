//! What operators see of all teams' generations: a list, newest first, in pages.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Generations;
use super::model::{Generation, Phase, State};
use crate::evolink::UpstreamKey;
use crate::fault::Fault;
use crate::money::Credits;
use crate::quota::Account;

/// Which generations are asked for.
#[derive(Debug, Clone)]
pub struct Filter {
    pub state: Option<State>,
    pub team: Option<String>,
    /// Of one page.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Place>,
}

/// A place in the list; its text is what [`Place::parse`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    created_ms: i64,
    id: String,
}

impl Place {
    fn of(generation: &Generation) -> Self {
        Self { created_ms: generation.created_ms(), id: generation.id().as_str().to_owned() }
    }

    /// None for what no page ended with.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_ms, id) = text.split_once('.')?;
        Some(Self { created_ms: created_ms.parse().ok()?, id: id.to_owned() })
    }

    /// Newest first.
    fn order(&self) -> (Reverse<i64>, &str) {
        (Reverse(self.created_ms), &self.id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_ms, self.id)
    }
}

/// One page.
#[derive(Debug)]
pub struct Overview {
    pub generations: Vec<Arc<Generation>>,
    /// Where to read on; None at the end.
    pub next: Option<Place>,
}

/// A create whose outcome is not known.
#[derive(Debug, Clone)]
pub struct InDoubt {
    /// From 0.
    pub image: u8,
    pub key: UpstreamKey,
    /// When it was first sent.
    pub(super) begun: Instant,
}

impl InDoubt {
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Generations {
    /// The generations that are under way or answer repetitions, of all teams.
    pub fn overview(&self, filter: &Filter) -> Overview {
        let fits = |generation: &Arc<Generation>| {
            filter.team.as_deref().is_none_or(|team| *generation.owner().team == *team)
                && filter.state.is_none_or(|state| generation.state() == state)
        };
        // Looked through without the lock, which every request needs.
        let all = self.registry().all();
        let places = all.into_iter().filter(fits).map(|generation| (Place::of(&generation), generation));
        let after = filter.after.as_ref().map(Place::order);
        let mut rest: Vec<_> =
            places.filter(|(place, _)| after.as_ref().is_none_or(|after| place.order() > *after)).collect();
        rest.sort_unstable_by(|(one, _), (other, _)| one.order().cmp(&other.order()));
        rest.dedup_by(|(one, _), (other, _)| one == other);
        let more = rest.len() > filter.limit;
        rest.truncate(filter.limit);
        let next = rest.last().filter(|_| more).map(|(place, _)| place.clone());
        Overview { generations: rest.into_iter().map(|(_, generation)| generation).collect(), next }
    }

    /// Tasks bought whose end is not known.
    pub fn running_tasks(&self) -> usize {
        self.each().iter().map(|generation| generation.running_tasks().len()).sum()
    }

    /// What upstream may count by now, at most, of generations that are not settled.
    pub fn unsettled(&self) -> Credits {
        let all = self.each();
        let open = all.iter().filter(|generation| {
            generation.state() != State::Queued && !matches!(generation.phase(), Phase::Finished(_))
        });
        open.map(|generation| generation.booking.most(generation.plan())).sum()
    }

    /// Images of this key or team that run upstream.
    pub fn running_images(&self, account: &Account) -> u32 {
        self.0.queue.running(account)
    }

    fn each(&self) -> Vec<Arc<Generation>> {
        let mut all = self.registry().all();
        all.sort_unstable_by(|one, other| one.id().as_str().cmp(other.id().as_str()));
        all.dedup_by(|one, other| one.id() == other.id());
        all
    }
}

impl Generation {
    pub fn team(&self) -> &str {
        &self.owner().team
    }

    /// The id of the key that asked for it.
    pub fn key_id(&self) -> &str {
        &self.owner().key
    }

    /// Why none of its images was made, once that is so.
    pub fn failure(&self) -> Option<Fault> {
        match self.phase() {
            Phase::Finished(finished) => finished.failure().cloned(),
            Phase::Running | Phase::InDoubt { .. } | Phase::Overdue => None,
        }
    }

    /// Its creates whose outcome is not known.
    pub fn creates_in_doubt(&self) -> Vec<InDoubt> {
        self.doubts.list()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fake::{Bench, MINUTE, after, plan};
    use super::*;
    use crate::evolink::CallError;

    fn filter(limit: usize, after: Option<Place>) -> Filter {
        Filter { state: None, team: None, limit, after }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_follow_one_another_without_gap_or_repetition() {
        let bench = Bench::new();
        let mut waiters = Vec::new();
        for number in 0..7 {
            waiters.push(bench.begin(&plan(&format!("fox {number}"), 1, &[]), &[]).await);
        }
        let (mut seen, mut place) = (Vec::new(), None);
        loop {
            let page = bench.generations.overview(&filter(3, place));
            assert!((1..=3).contains(&page.generations.len()));
            seen.extend(page.generations.iter().map(|generation| generation.id().to_string()));
            match page.next {
                Some(next) => place = Place::parse(&next.to_string()),
                None => break,
            }
        }
        let mut all: Vec<_> = waiters.iter().map(|waiter| waiter.generation().id().to_string()).collect();
        all.sort();
        assert_eq!(seen, all, "of one millisecond by their ids");
        assert_eq!(bench.generations.overview(&filter(7, None)).next, None);
        for wrong in ["", "x", "1", "x.gen_1", "1,gen_1"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_asked_for_is_listed() {
        let bench = Bench::new();
        let _waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
        after(MINUTE / 20).await;
        let count = |state, team: &str| {
            let filter = Filter { state, team: Some(team.to_owned()), ..filter(10, None) };
            bench.generations.overview(&filter).generations.len()
        };
        assert_eq!((count(None, "design"), count(None, "other")), (1, 0));
        assert_eq!((count(Some(State::Running), "design"), count(Some(State::Done), "design")), (1, 0));
        assert_eq!(bench.generations.running_tasks(), 1);
        after(MINUTE).await;
        assert_eq!((count(Some(State::Running), "design"), count(Some(State::Done), "design")), (0, 1));
        assert_eq!(bench.generations.running_tasks(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_in_doubt_is_listed_until_its_outcome_is_known() {
        let bench = Bench::new();
        bench.script().create_errors = std::iter::repeat_n(CallError::Timeout, 10).collect();
        let waiter = bench.begin(&plan("a fox", 1, &[]), &[]).await;
        after(MINUTE / 2).await;
        let doubts = waiter.generation().creates_in_doubt();
        let [doubt] = doubts.as_slice() else { panic!("{doubts:?}") };
        assert_eq!((doubt.image, doubt.key.as_str()), (0, bench.script().keys[0].as_str()));
        assert!(doubt.age() > MINUTE / 3 && doubt.age() <= MINUTE / 2, "{:?}", doubt.age());
        after(MINUTE * 10).await;
        assert!(waiter.generation().creates_in_doubt().is_empty());
        assert_eq!(waiter.generation().state(), State::Done);
    }
}
