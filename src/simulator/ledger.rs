//! The simulator's books: every task, upstream key, counter and armed fault behind one lock.
//!
//! Tests read them as [`LedgerView`]; they are the truth about what was accepted, charged and looked at.

mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use view::{LedgerView, Refusal, TaskView, Totals};

use super::faults::{Armed, Details, Effect, Fault};
use super::task::{Stage, Task};

/// Tasks remembered; beyond it the oldest ended ones are forgotten.
const TASKS_MAX: usize = 50_000;
/// Refused creates and leaks remembered.
const NOTES_MAX: usize = 100;
/// Prompts and keys with counted faults remembered.
const COUNTED_MAX: usize = 10_000;
/// The window of the highest call rate.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Everything the simulator remembers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub tasks: HashMap<Arc<str>, Task>,
    order: VecDeque<Arc<str>>,
    pub keys: HashMap<(u64, String), Keyed>,
    pub totals: Totals,
    /// When the task and batch calls of the last second came.
    recent: VecDeque<Instant>,
    /// Faults by flag, over HTTP or in process.
    pub scripts: Vec<Armed>,
    /// Faults from prompts that count over several creates.
    counted: HashMap<String, Vec<Armed>>,
    pub refusals: VecDeque<Refusal>,
    pub leaks: VecDeque<String>,
    /// Micro-credits charged by forgotten tasks, by owner.
    forgotten_charges: HashMap<u64, u64>,
    /// At least what the account misses; exact after a full count.
    weight_bound: u64,
    /// Tasks ever made, over resets too.
    pub serial: u64,
}

/// What is known of an `Idempotency-Key`.
#[derive(Debug)]
pub(super) struct Keyed {
    pub task: Arc<str>,
    /// The first request with the key is not answered yet.
    pub open: bool,
}

impl Ledger {
    /// Empty books with these faults armed.
    pub fn with(scripts: Vec<Armed>) -> Self {
        Self { scripts, ..Self::default() }
    }

    /// Enters a task.
    pub fn enter(&mut self, task: Task) {
        self.totals.creates_accepted += 1;
        self.weight_bound = self.weight_bound.saturating_add(task.reserved.max(task.charge));
        if let Some(key) = &task.key {
            self.keys.insert((task.owner, key.clone()), Keyed { task: task.id.clone(), open: false });
        }
        self.order.push_back(task.id.clone());
        let now = task.created;
        self.tasks.insert(task.id.clone(), task);
        while self.order.len() > TASKS_MAX && self.forget_oldest(now) {}
    }

    /// The task, for its owner.
    pub fn task_of(&mut self, id: &str, owner: u64) -> Option<&mut Task> {
        self.tasks.get_mut(id).filter(|task| task.owner == owner)
    }

    /// The tasks of an owner, newest first.
    pub fn newest_of(&self, owner: u64) -> impl Iterator<Item = &Task> {
        self.order.iter().rev().filter_map(|id| self.tasks.get(id)).filter(move |task| task.owner == owner)
    }

    /// Micro-credits that the account misses: held and charged.
    pub fn weight(&mut self, now: Instant) -> u64 {
        let tasks: u64 = self.tasks.values().map(|task| task.weight(now)).sum();
        self.weight_bound = tasks.saturating_add(self.forgotten_charges.values().sum());
        self.weight_bound
    }

    /// The part of it that one owner's tasks make up.
    pub fn weight_of(&self, owner: u64, now: Instant) -> u64 {
        let tasks: u64 =
            self.tasks.values().filter(|task| task.owner == owner).map(|task| task.weight(now)).sum();
        tasks.saturating_add(self.forgotten_charges.get(&owner).copied().unwrap_or_default())
    }

    /// Whether a balance has room for a reservation.
    pub fn has_room(&mut self, balance: u64, reserve: u64, now: Instant) -> bool {
        self.weight_bound.saturating_add(reserve) <= balance
            || self.weight(now).saturating_add(reserve) <= balance
    }

    /// Counts a task or batch call.
    pub fn called(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|first| now.saturating_duration_since(*first) >= RATE_WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let rate = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        self.totals.calls_per_second_max = self.totals.calls_per_second_max.max(rate);
    }

    /// The first fault that `pick` takes: from the prompt's `words`, counted within `scope`, else from the scripts.
    pub fn strike<T>(
        &mut self,
        scope: &str,
        words: &[Fault],
        prompt: &str,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(T, Details)> {
        if !words.is_empty() {
            if self.counted.len() > COUNTED_MAX {
                self.counted.clear();
            }
            let armed = || words.iter().cloned().map(Armed::new).collect();
            let own = self.counted.entry(scope.to_owned()).or_insert_with(armed);
            if let Some(struck) = Armed::take(own, prompt, &pick) {
                return Some(struck);
            }
        }
        Armed::take(&mut self.scripts, prompt, pick)
    }

    /// Notes a create that made no task.
    pub fn refused(&mut self, refusal: Refusal) {
        self.totals.creates_refused += 1;
        note(&mut self.refusals, refusal);
    }

    /// Notes a request to the media host that carried a key.
    pub fn leaked(&mut self, path: &str) {
        self.totals.leaks += 1;
        note(&mut self.leaks, path.to_owned());
    }

    /// Forgets tasks, keys and counters; scripted faults stay.
    pub fn reset(&mut self) {
        let scripts = std::mem::take(&mut self.scripts);
        *self = Self { scripts, serial: self.serial, ..Self::default() };
    }

    fn forget_oldest(&mut self, now: Instant) -> bool {
        let oldest = self.order.front().and_then(|id| self.tasks.get(id));
        if oldest.is_none_or(|task| task.stage(now) != Stage::Ended) {
            return false;
        }
        let Some(task) = self.order.pop_front().and_then(|id| self.tasks.remove(&id)) else { return false };
        let charges = self.forgotten_charges.entry(task.owner).or_default();
        *charges = charges.saturating_add(task.charged(now));
        if let Some(key) = task.key {
            self.keys.remove(&(task.owner, key));
        }
        self.totals.tasks_forgotten += 1;
        true
    }
}

fn note<T>(notes: &mut VecDeque<T>, one: T) {
    if notes.len() == NOTES_MAX {
        notes.pop_front();
    }
    notes.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_that_of_any_second() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        for ms in [0, 500, 900, 1400, 1450, 1499, 3000] {
            ledger.called(start + Duration::from_millis(ms));
        }
        assert_eq!(ledger.totals.calls_per_second_max, 5);
    }

    #[test]
    fn a_reset_keeps_scripted_faults_only() {
        let mut ledger = Ledger::default();
        ledger.scripts.push(Armed::new("poll:500".parse().unwrap()));
        ledger.leaked("/media/x");
        ledger.serial = 9;
        ledger.reset();
        assert_eq!(
            (ledger.scripts.len(), ledger.totals.leaks, ledger.leaks.len(), ledger.serial),
            (1, 0, 0, 9)
        );
    }
}
