//! Generations by their id: all that are under way, and those that ended lately.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::model::{Generation, GenerationId};
use crate::image::Reference;

/// Ended generations kept by their id.
const ENDED_MAX: usize = 10_000;
/// What they may take together; nearly all of it are prompts.
const ENDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A generation without its prompt, roughly.
const GENERATION_BYTES: usize = 2 * 1024;

#[derive(Debug)]
pub(super) struct ById {
    all: HashMap<GenerationId, Arc<Generation>>,
    /// In the order of their ends; some are taken back by now.
    ended: VecDeque<Ended>,
    ended_bytes: usize,
    max: usize,
    replay: Duration,
}

#[derive(Debug)]
struct Ended {
    id: GenerationId,
    at: Instant,
    bytes: usize,
}

impl ById {
    pub(super) fn new(replay: Duration) -> Self {
        Self { all: HashMap::new(), ended: VecDeque::new(), ended_bytes: 0, max: ENDED_MAX, replay }
    }

    pub(super) fn add(&mut self, generation: &Arc<Generation>) {
        self.all.insert(generation.id().clone(), Arc::clone(generation));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Generation>> {
        self.all.values()
    }

    pub(super) fn get(&mut self, team: &str, id: &str) -> Option<&Arc<Generation>> {
        self.forget_old();
        self.all.get(id).filter(|generation| *generation.owner().team == *team)
    }

    pub(super) fn remove(&mut self, team: &str, id: &str) -> Option<Arc<Generation>> {
        self.get(team, id)?;
        self.all.remove(id)
    }

    /// Starts the time for which it is still kept. What was given up has nothing to tell.
    pub(super) fn ended(&mut self, generation: &Arc<Generation>) {
        let id = generation.id().clone();
        if generation.audience.is_given_up() {
            self.all.remove(&id);
        } else if self.all.contains_key(&id) {
            let bytes = bytes_of(generation);
            self.ended_bytes += bytes;
            self.ended.push_back(Ended { id, at: Instant::now(), bytes });
        }
        self.forget_old();
    }

    /// One that ended so long ago, before all that are there. False when there is no room.
    pub(super) fn restore(&mut self, generation: &Arc<Generation>, ended: Duration) -> bool {
        let bytes = bytes_of(generation);
        let room = self.ended.len() < self.max && self.ended_bytes + bytes <= ENDED_BYTES_MAX;
        if let Some(at) = Instant::now().checked_sub(ended)
            && room
        {
            let id = generation.id().clone();
            self.all.insert(id.clone(), Arc::clone(generation));
            self.ended_bytes += bytes;
            self.ended.push_front(Ended { id, at, bytes });
        }
        room
    }

    fn forget_old(&mut self) {
        while let Some(oldest) = self.ended.front() {
            let crowded = self.ended.len() > self.max || self.ended_bytes > ENDED_BYTES_MAX;
            if !crowded && oldest.at.elapsed() < self.replay {
                break;
            }
            self.ended_bytes -= oldest.bytes;
            self.all.remove(&oldest.id);
            self.ended.pop_front();
        }
    }
}

/// What a generation takes, roughly; always the same of one.
pub(super) fn bytes_of(generation: &Generation) -> usize {
    let task = &generation.plan().task;
    let links = task.references.iter().chain(&task.mask).map(|reference| match reference {
        Reference::Link(link) => link.len(),
        Reference::Picture(_) => 0,
    });
    GENERATION_BYTES + task.prompt.len() + links.sum::<usize>()
}

#[cfg(test)]
mod tests;
