//! The rules of doing it once: which generation a request takes instead of beginning one.
//!
//! Its idempotency key comes first. Then, who shares takes the result that the cache has, or joins what its team has
//! under way; who buys its own takes only what was bought for the same key and reached nobody. A final failure answers
//! both, for a while. Whoever takes a generation is counted in as its waiter before anyone else can look.

use std::sync::Arc;
use std::time::Duration;

use super::super::model::{Finished, Generation, Owner, Phase};
use super::super::results::Cached;
use super::super::reuse::{Came, IdempotencyKey, Reuse, Sharing, conflict};
use super::{ORPHAN_AGE_MAX, Registry, Subject, end_of};
use crate::cache::Freshness;
use crate::fault::{Fault, FaultKind};

/// How long a final failure answers the same request of the same key: clients that repeat it all the same would only
/// have it refused again.
const FAILURE_AGE_MAX: Duration = Duration::from_mins(1);
/// How long a refusal by the safety filter answers the team's identical requests: the filter would refuse them again,
/// and who thinks otherwise is not kept waiting for long.
const REFUSAL_AGE_MAX: Duration = Duration::from_mins(5);

/// A generation that answers a request.
#[derive(Debug)]
pub(in crate::generation) struct Found {
    pub generation: Arc<Generation>,
    pub came: Came,
    /// The request's idempotency key stands for it from now on.
    pub newly_named: bool,
}

impl Found {
    fn of(generation: &Arc<Generation>, came: Came) -> Self {
        Self { generation: Arc::clone(generation), came, newly_named: false }
    }
}

impl Registry {
    /// The generation that answers the request; None when it has to begin one. `cached`: the result that the cache has.
    ///
    /// # Errors
    /// `IdempotencyConflict` when its key stands for another request.
    pub(in crate::generation) fn take(
        &mut self,
        owner: &Owner,
        reuse: &Reuse,
        cached: Option<Cached>,
    ) -> Result<Option<Found>, Fault> {
        if let Some(key) = &reuse.idempotency_key
            && let Some(found) = self.of_name(owner, key)?
        {
            return Ok(Some(found));
        }
        let subject = Subject::of(owner);
        Ok(match reuse.sharing {
            Sharing::Shared { .. } if reuse.only_if_cached => self.hit(owner, reuse, cached),
            _ if reuse.only_if_cached => None,
            Sharing::Shared { max_age } => self
                .hit(owner, reuse, cached)
                .or_else(|| self.under_way(&subject, reuse))
                .or_else(|| self.orphan(&subject, owner, reuse))
                .or_else(|| self.refused(&subject, max_age)),
            Sharing::Own | Sharing::Private => {
                self.orphan(&subject, owner, reuse).or_else(|| self.of_retry(&subject, owner, reuse))
            }
        }
        .or_else(|| if reuse.only_if_cached { None } else { self.failed(&subject, owner, reuse) }))
    }

    /// The idempotency key, if the journal may know a generation for which it stands and this does not.
    pub(in crate::generation) fn may_have_forgotten_the_name<'a>(
        &self,
        owner: &Owner,
        reuse: &'a Reuse,
    ) -> Option<&'a IdempotencyKey> {
        let new = self.shelf.is_forgetful() && self.is_new_name(owner, reuse);
        reuse.idempotency_key.as_ref().filter(|_| new)
    }

    /// Whether the request has an idempotency key that stands for nothing here.
    pub(in crate::generation) fn is_new_name(&self, owner: &Owner, reuse: &Reuse) -> bool {
        reuse.idempotency_key.as_ref().is_some_and(|key| self.shelf.named(&owner.team, key).is_none())
    }

    fn of_name(&self, owner: &Owner, key: &IdempotencyKey) -> Result<Option<Found>, Fault> {
        let Some((generation, ended)) = self.shelf.named(&owner.team, key) else { return Ok(None) };
        // A failure of the moment names nothing: what is bought for the key then has it.
        if end_of(generation).is_some_and(|finished| !generation.is_answer(&finished)) {
            return Ok(None);
        }
        // Nor does what cannot be had any more.
        if generation.is_spoilt() {
            return Ok(None);
        }
        // Nor does what was given up; one with another fingerprint is not to be entered.
        let same = generation.owner().fingerprint == owner.fingerprint;
        if !same {
            return if generation.audience.is_open() { Err(conflict(key)) } else { Ok(None) };
        }
        let came = ended.map_or(Came::Joined, |age| self.aged(age));
        Ok(generation.audience.enter().then(|| Found::of(generation, came)))
    }

    /// The oldest one under way that the team shares.
    fn under_way(&self, subject: &Subject, reuse: &Reuse) -> Option<Found> {
        let may_be_joined = |generation: &&Arc<Generation>| {
            !generation.is_private()
                && match generation.phase() {
                    Phase::Running => true,
                    Phase::InDoubt { .. } => generation.age() <= self.task_timeout,
                    Phase::Overdue | Phase::Finished(_) => false,
                }
        };
        if reuse.idempotency_key.is_some() {
            return None;
        }
        self.open
            .get(subject)?
            .iter()
            .filter(may_be_joined)
            .find_map(|generation| generation.audience.enter().then(|| Found::of(generation, Came::Joined)))
    }

    /// The result of the cache. A new idempotency key stands for it from now on, if it is the team's own.
    fn hit(&mut self, owner: &Owner, reuse: &Reuse, cached: Option<Cached>) -> Option<Found> {
        let Cached { generation, freshness: Freshness { age, left } } = cached?;
        let foreign = generation.owner().team != owner.team;
        let entered = generation.audience.enter();
        let mut found = entered.then(|| Found::of(&generation, Came::Hit { age, left, foreign }))?;
        if let Some(key) = &reuse.idempotency_key
            && !foreign
            && self.shelf.has_ended(&found.generation)
        {
            self.shelf.name(&found.generation, key.clone());
            found.newly_named = true;
        }
        Some(found)
    }

    /// The oldest one of the same key whose last waiter left without the answer. Who shares has taken all that is under
    /// way already, as far as it is to be waited for.
    fn orphan(&self, subject: &Subject, owner: &Owner, reuse: &Reuse) -> Option<Found> {
        let shares = matches!(reuse.sharing, Sharing::Shared { .. });
        let orphaned = |generation: &&Arc<Generation>| {
            generation.audience.is_orphan() && (!shares || end_of(generation).is_some())
        };
        // One that was given up or taken back cannot be entered: another may stand behind it.
        self.undelivered(subject, owner, reuse)
            .filter(orphaned)
            .find_map(|generation| generation.audience.enter().then(|| Found::of(generation, Came::Joined)))
    }

    /// For an automatic retry the oldest of the same key that another request still waits for.
    fn of_retry(&self, subject: &Subject, owner: &Owner, reuse: &Reuse) -> Option<Found> {
        self.undelivered(subject, owner, reuse)
            .filter(|_| reuse.automatic_retry)
            .find_map(|generation| generation.audience.enter().then(|| Found::of(generation, Came::Joined)))
    }

    /// Those of the same key that a repetition of the request may take.
    fn undelivered<'a>(
        &'a self,
        subject: &Subject,
        owner: &'a Owner,
        reuse: &'a Reuse,
    ) -> impl Iterator<Item = &'a Arc<Generation>> {
        let same = self.open.get(subject).into_iter().flatten();
        same.filter(move |generation| {
            is_of_the_same(generation, owner, reuse)
                && generation.idempotency_key().is_none()
                && generation.age() <= ORPHAN_AGE_MAX
                && !generation.audience.is_delivered()
                && !matches!(generation.phase(), Phase::Overdue)
                && end_of(generation).is_none_or(|finished| generation.is_answer(&finished))
        })
    }

    /// The latest of the same key, if it ended just now with a failure that asking again would not change.
    fn failed(&self, subject: &Subject, owner: &Owner, reuse: &Reuse) -> Option<Found> {
        let shares = matches!(reuse.sharing, Sharing::Shared { .. });
        let mut of_key = self.finished(subject).filter(|(generation, _)| {
            is_of_the_same(generation, owner, reuse) && (shares || generation.idempotency_key().is_none())
        });
        let (generation, age) = of_key.next()?;
        let is_final = end_of(generation)
            .is_some_and(|finished| finished.is_final_failure() && generation.is_answer(&finished));
        let left = FAILURE_AGE_MAX.checked_sub(age).filter(|_| is_final)?;
        generation.audience.enter().then(|| Found::of(generation, Came::Hit { age, left, foreign: false }))
    }

    /// The team's latest, if the safety filter refused it lately.
    fn refused(&self, subject: &Subject, max_age: Option<Duration>) -> Option<Found> {
        let mut of_team = self.finished(subject).filter(|(generation, _)| !generation.is_private());
        let (generation, age) = of_team.next()?;
        let refused = |finished: Arc<Finished>| {
            finished.failure().is_some_and(|fault| fault.kind() == FaultKind::Moderation)
                && generation.is_answer(&finished)
        };
        let is_refused = end_of(generation).is_some_and(refused);
        let young = max_age.is_none_or(|most| age <= most);
        let left = REFUSAL_AGE_MAX.checked_sub(age).filter(|_| is_refused && young)?;
        generation.audience.enter().then(|| Found::of(generation, Came::Hit { age, left, foreign: false }))
    }

    /// Those that ended, the latest first, each with how long ago; also those whose end is being noted down just now.
    fn finished<'a>(
        &'a self,
        subject: &Subject,
    ) -> impl Iterator<Item = (&'a Arc<Generation>, Duration)> + use<'a> {
        let open = self.open.get(subject).into_iter().flatten();
        let ending =
            open.filter(move |generation| end_of(generation).is_some() && !self.shelf.has_ended(generation));
        ending.map(|generation| (generation, Duration::ZERO)).chain(self.shelf.finished(subject))
    }

    fn aged(&self, age: Duration) -> Came {
        Came::Hit { age, left: self.shelf.left(age), foreign: false }
    }
}

/// Of the same key and as private; a request with an idempotency key of its own is like no other.
fn is_of_the_same(generation: &Generation, owner: &Owner, reuse: &Reuse) -> bool {
    generation.owner() == owner
        && generation.is_private() == (reuse.sharing == Sharing::Private)
        && reuse.idempotency_key.is_none()
}

#[cfg(test)]
mod tests;
