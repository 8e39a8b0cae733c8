//! Pictures that were asked for again, the one asked for longest ago first to leave.
//!
//! Not a general cache: what is here must leave at the moment somebody wants its room, the coldest first and those
//! nobody reads before the others, and nothing may come while somebody waits.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::{Held, HotKey};

/// How often a use is told of what is read from here again and again.
const USE_TOLD_EVERY: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct Hot {
    kept: Mutex<Kept>,
    /// Units at most.
    room: usize,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<HotKey, Entry>,
    /// By when they were asked for last.
    order: BTreeMap<u64, HotKey>,
    asked: u64,
    units: usize,
    /// How many wait for room.
    waiting: usize,
}

#[derive(Debug)]
struct Entry {
    held: Held,
    asked: u64,
    /// When a use was told last; coming here was one.
    told: Instant,
}

/// Somebody waits for room as long as this is there.
#[derive(Debug)]
pub(super) struct Wanted<'a>(&'a Hot);

impl Hot {
    pub(super) fn new(room: usize) -> Self {
        Self { kept: Mutex::default(), room }
    }

    /// Whether there is room for so many units when all others have left.
    pub(super) fn could_keep(&self, units: usize) -> bool {
        units <= self.room
    }

    pub(super) fn get(&self, key: &HotKey) -> Option<Held> {
        let kept = &mut *self.kept();
        let entry = kept.entries.get_mut(key)?;
        kept.order.remove(&entry.asked);
        kept.asked += 1;
        entry.asked = kept.asked;
        kept.order.insert(entry.asked, *key);
        Some(entry.held.clone())
    }

    /// Whether a use is to be told where it came from; then it counts as told.
    pub(super) fn use_is_due(&self, key: &HotKey) -> bool {
        let mut kept = self.kept();
        let entry = kept.entries.get_mut(key);
        let due = entry.filter(|entry| entry.told.elapsed() >= USE_TOLD_EVERY);
        due.is_some_and(|entry| {
            entry.told = Instant::now();
            true
        })
    }

    pub(super) fn forget(&self, key: &HotKey) {
        let gone = self.kept().take(key);
        drop(gone);
    }

    pub(super) fn keep(&self, key: HotKey, held: &Held) {
        let units = held.units();
        let mut gone = Vec::new();
        let mut kept = self.kept();
        if kept.waiting > 0 || !self.could_keep(units) || kept.entries.contains_key(&key) {
            return;
        }
        while kept.units > self.room - units {
            let Some(coldest) = kept.order.first_key_value().map(|(_, key)| *key) else { break };
            gone.extend(kept.take(&coldest));
        }
        kept.asked += 1;
        let asked = kept.asked;
        kept.order.insert(asked, key);
        kept.units += units;
        kept.entries.insert(key, Entry { held: held.clone(), asked, told: Instant::now() });
        drop(kept);
    }

    /// Frees so many units, as far as pictures that nobody reads have them.
    pub(super) fn give_way(&self, units: usize) {
        let mut kept = self.kept();
        let (mut freed, mut leaving) = (0, Vec::new());
        for key in kept.order.values() {
            if freed >= units {
                break;
            }
            if let Some(entry) = kept.entries.get(key)
                && entry.held.is_alone()
            {
                freed += entry.held.units();
                leaving.push(*key);
            }
        }
        let gone: Vec<Held> = leaving.iter().filter_map(|key| kept.take(key)).collect();
        // Freeing takes its time, and needs no lock.
        drop(kept);
        drop(gone);
    }

    /// All leave, also those that are read, whose memory is free when they have been; and none comes before the end of
    /// the wait.
    pub(super) fn all_give_way(&self) -> Wanted<'_> {
        let mut kept = self.kept();
        kept.waiting += 1;
        let gone = std::mem::take(&mut kept.entries);
        kept.order.clear();
        kept.units = 0;
        drop(kept);
        drop(gone);
        Wanted(self)
    }

    pub(super) fn units(&self) -> usize {
        self.kept().units
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, key: &HotKey) -> Option<Held> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.asked);
        self.units -= entry.held.units();
        Some(entry.held)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.kept().waiting -= 1;
    }
}
