//! Generations by their id and by their idempotency keys: all that are under way, and those that ended lately, which
//! answer by what they were made of, too. What there is no room for is in the journal.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::model::{Generation, GenerationId};
use super::super::reuse::IdempotencyKey;
use super::Subject;
use crate::image::Reference;

/// Ended generations kept in memory.
const ENDED_MAX: usize = 10_000;
/// What they may take together; nearly all of it are prompts and keys.
const ENDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A generation without its prompt, roughly.
const GENERATION_BYTES: usize = 2 * 1024;
/// An idempotency key without its text, roughly.
const NAME_BYTES: usize = 256;

#[derive(Debug)]
pub(super) struct Shelf {
    all: HashMap<GenerationId, Kept>,
    named: HashMap<Name, GenerationId>,
    /// Those that ended, in the order of their ends.
    finished: HashMap<Subject, VecDeque<(Instant, GenerationId)>>,
    /// In the order in which they leave; some are taken back by now.
    ended: VecDeque<(Instant, GenerationId)>,
    ended_bytes: usize,
    max: usize,
    bytes_max: usize,
    replay: Duration,
    /// Until then something may still have to answer that was forgotten for room.
    forgetful_until: Option<Instant>,
}

/// One generation, and what is known of it here.
#[derive(Debug)]
struct Kept {
    generation: Arc<Generation>,
    ended: Option<Instant>,
    names: Vec<IdempotencyKey>,
}

/// A team's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    team: Arc<str>,
    key: IdempotencyKey,
}

impl Shelf {
    pub(super) fn new(replay: Duration) -> Self {
        Self {
            all: HashMap::new(),
            named: HashMap::new(),
            finished: HashMap::new(),
            ended: VecDeque::new(),
            ended_bytes: 0,
            max: ENDED_MAX,
            bytes_max: ENDED_BYTES_MAX,
            replay,
            forgetful_until: None,
        }
    }

    #[cfg(test)]
    pub(super) fn keep_only(&mut self, ended_max: usize) {
        self.max = ended_max;
    }

    /// In no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Generation>> {
        self.all.values().map(|kept| &kept.generation)
    }

    /// One that is under way.
    pub(super) fn add(&mut self, generation: &Arc<Generation>) {
        let kept = Kept { generation: Arc::clone(generation), ended: None, names: Vec::new() };
        self.all.insert(generation.id().clone(), kept);
        if let Some(key) = generation.idempotency_key() {
            self.name(generation, key.clone());
        }
    }

    pub(super) fn get(&mut self, team: &str, id: &str) -> Option<&Arc<Generation>> {
        self.forget_old();
        let kept = self.all.get(id).filter(|kept| *kept.generation.owner().team == *team)?;
        (!self.is_over(kept.ended)).then_some(&kept.generation)
    }

    /// The generation that the team's key stands for, and how long ago it ended.
    pub(super) fn named(
        &self,
        team: &Arc<str>,
        key: &IdempotencyKey,
    ) -> Option<(&Arc<Generation>, Option<Duration>)> {
        let id = self.named.get(&Name { team: Arc::clone(team), key: key.clone() })?;
        let kept = self.all.get(id)?;
        (!self.is_over(kept.ended)).then(|| (&kept.generation, kept.ended.map(|at| at.elapsed())))
    }

    /// From here on the key stands for this generation, whatever it stood for before.
    pub(super) fn name(&mut self, generation: &Arc<Generation>, key: IdempotencyKey) {
        let Some(kept) = self.all.get_mut(generation.id()) else { return };
        let bytes = name_bytes(&key);
        let ended = kept.ended.is_some();
        kept.names.push(key.clone());
        let name = Name { team: Arc::clone(&generation.owner().team), key };
        self.named.insert(name, generation.id().clone());
        if ended {
            self.ended_bytes += bytes;
            self.forget_old();
        }
    }

    /// Those of this subject that ended within `replay`, the latest first, each with how long ago.
    pub(super) fn finished<'a>(
        &'a self,
        subject: &Subject,
    ) -> impl Iterator<Item = (&'a Arc<Generation>, Duration)> + use<'a> {
        let same = self.finished.get(subject).into_iter().flatten().rev();
        same.filter(|(at, _)| !self.is_over(Some(*at)))
            .filter_map(|(at, id)| Some((&self.all.get(id)?.generation, at.elapsed())))
    }

    /// Whether it is here as one that has ended.
    pub(super) fn has_ended(&self, generation: &Generation) -> bool {
        self.all.get(generation.id()).is_some_and(|kept| kept.ended.is_some())
    }

    pub(super) fn knows(&self, id: &GenerationId) -> bool {
        self.all.contains_key(id)
    }

    pub(super) fn known(&self, id: &GenerationId) -> Option<&Arc<Generation>> {
        self.all.get(id).map(|kept| &kept.generation)
    }

    /// Whether the journal may know of one that still answers and is not here.
    pub(super) fn is_forgetful(&self) -> bool {
        self.forgetful_until.is_some_and(|until| Instant::now() < until)
    }

    /// How long one that ended so long ago still answers.
    pub(super) fn left(&self, age: Duration) -> Duration {
        self.replay.saturating_sub(age)
    }

    pub(super) fn remove(&mut self, team: &str, id: &str) -> Option<Arc<Generation>> {
        self.get(team, id)?;
        self.forget(id)
    }

    /// Starts the time for which it is still kept. What was given up has nothing to tell.
    pub(super) fn ended(&mut self, generation: &Arc<Generation>) {
        if generation.audience.is_given_up() {
            self.forget(generation.id().as_str());
        } else {
            self.end(generation, Instant::now());
        }
        self.forget_old();
    }

    /// One that ended so long ago, before all that are there. False when there is no room.
    pub(super) fn restore(
        &mut self,
        generation: &Arc<Generation>,
        ended: Duration,
        names: Vec<IdempotencyKey>,
    ) -> bool {
        let bytes = bytes_of(generation) + names.iter().map(name_bytes).sum::<usize>();
        let room = self.ended.len() < self.max && self.ended_bytes + bytes <= self.bytes_max;
        if !room {
            self.note_forgotten(Instant::now());
        } else if let Some(at) = Instant::now().checked_sub(ended) {
            self.add_ended(generation, at, names);
            // It is the first to leave again.
            if let Some(last) = self.ended.pop_back() {
                self.ended.push_front(last);
            }
        }
        room
    }

    /// One that was forgotten for room and is wanted again: the last to leave.
    pub(super) fn recall(
        &mut self,
        generation: &Arc<Generation>,
        ended: Duration,
        names: Vec<IdempotencyKey>,
    ) {
        if let Some(at) = Instant::now().checked_sub(ended) {
            self.add_ended(generation, at, names);
            self.forget_old();
        }
    }

    fn add_ended(&mut self, generation: &Arc<Generation>, at: Instant, names: Vec<IdempotencyKey>) {
        let kept = Kept { generation: Arc::clone(generation), ended: None, names: Vec::new() };
        self.all.insert(generation.id().clone(), kept);
        for key in names {
            let name = Name { team: Arc::clone(&generation.owner().team), key: key.clone() };
            // A later generation may have the key by now.
            if !self.named.contains_key(&name) {
                self.name(generation, key);
            }
        }
        self.end(generation, at);
    }

    fn end(&mut self, generation: &Arc<Generation>, at: Instant) {
        let Some(kept) = self.all.get_mut(generation.id()) else { return };
        kept.ended = Some(at);
        self.ended_bytes += bytes_of(generation) + kept.names.iter().map(name_bytes).sum::<usize>();
        self.ended.push_back((at, generation.id().clone()));
        let same = self.finished.entry(Subject::of(generation.owner())).or_default();
        let place = same.partition_point(|(other, _)| *other <= at);
        same.insert(place, (at, generation.id().clone()));
    }

    fn forget(&mut self, id: &str) -> Option<Arc<Generation>> {
        let Kept { generation, ended, names } = self.all.remove(id)?;
        let mut bytes = bytes_of(&generation);
        for key in names {
            bytes += name_bytes(&key);
            let name = Name { team: Arc::clone(&generation.owner().team), key };
            if self.named.get(&name) == Some(generation.id()) {
                self.named.remove(&name);
            }
        }
        if ended.is_some() {
            self.ended_bytes = self.ended_bytes.saturating_sub(bytes);
            let subject = Subject::of(generation.owner());
            if let Some(same) = self.finished.get_mut(&subject) {
                if let Some(at) = same.iter().position(|(_, other)| other == generation.id()) {
                    same.remove(at);
                }
                if same.is_empty() {
                    self.finished.remove(&subject);
                }
            }
        }
        Some(generation)
    }

    fn forget_old(&mut self) {
        while let Some((at, _)) = self.ended.front() {
            let crowded = self.ended.len() > self.max || self.ended_bytes > self.bytes_max;
            if !crowded && !self.is_over(Some(*at)) {
                break;
            }
            let Some((at, id)) = self.ended.pop_front() else { break };
            if self.forget(id.as_str()).is_some() && !self.is_over(Some(at)) {
                self.note_forgotten(at);
            }
        }
    }

    fn note_forgotten(&mut self, ended: Instant) {
        self.forgetful_until = self.forgetful_until.max(Some(ended + self.replay));
    }

    fn is_over(&self, ended: Option<Instant>) -> bool {
        ended.is_some_and(|at| at.elapsed() >= self.replay)
    }
}

fn name_bytes(key: &IdempotencyKey) -> usize {
    NAME_BYTES + key.as_str().len()
}

/// What a generation takes, roughly; always the same of one.
pub(in crate::generation) fn bytes_of(generation: &Generation) -> usize {
    let task = &generation.plan().task;
    let links = task.references.iter().chain(&task.mask).map(|reference| match reference {
        Reference::Link(link) => link.len(),
        Reference::Picture(_) => 0,
    });
    GENERATION_BYTES + task.prompt.len() + links.sum::<usize>()
}

#[cfg(test)]
mod tests;
