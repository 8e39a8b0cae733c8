//! Pictures that were asked for again, the one asked for longest ago first to leave.
//!
//! Not a general cache: what is here must leave at the moment somebody wants its room, the coldest first and those
//! nobody reads before the others, and nothing may come while somebody waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Held, HotKey};

#[derive(Debug)]
pub(super) struct Hot {
    shelf: Mutex<Shelf>,
    /// Units at most.
    room: usize,
}

#[derive(Debug, Default)]
struct Shelf {
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
}

/// Somebody waits for room as long as this is there.
#[derive(Debug)]
pub(super) struct Wanted<'a>(&'a Hot);

impl Hot {
    pub(super) fn new(room: usize) -> Self {
        Self { shelf: Mutex::default(), room }
    }

    /// Whether there is room for so many units when all others have left.
    pub(super) fn could_keep(&self, units: usize) -> bool {
        units <= self.room
    }

    pub(super) fn get(&self, key: &HotKey) -> Option<Held> {
        let shelf = &mut *self.shelf();
        let entry = shelf.entries.get_mut(key)?;
        shelf.order.remove(&entry.asked);
        shelf.asked += 1;
        entry.asked = shelf.asked;
        shelf.order.insert(entry.asked, *key);
        Some(entry.held.clone())
    }

    pub(super) fn keep(&self, key: HotKey, held: &Held) {
        let units = held.units();
        let mut gone = Vec::new();
        let mut shelf = self.shelf();
        if shelf.waiting > 0 || !self.could_keep(units) || shelf.entries.contains_key(&key) {
            return;
        }
        while shelf.units > self.room - units {
            let Some(coldest) = shelf.order.first_key_value().map(|(_, key)| *key) else { break };
            gone.extend(shelf.take(&coldest));
        }
        shelf.asked += 1;
        let asked = shelf.asked;
        shelf.order.insert(asked, key);
        shelf.units += units;
        shelf.entries.insert(key, Entry { held: held.clone(), asked });
        drop(shelf);
    }

    /// Frees so many units, as far as pictures that nobody reads have them.
    pub(super) fn give_way(&self, units: usize) {
        let mut gone = Vec::new();
        let mut shelf = self.shelf();
        let mut freed = 0;
        let coldest_first = shelf.order.values();
        let idle =
            coldest_first.filter(|key| shelf.entries.get(key).is_some_and(|entry| entry.held.is_alone()));
        let mut leaving = Vec::new();
        for key in idle {
            if freed >= units {
                break;
            }
            freed += shelf.entries.get(key).map_or(0, |entry| entry.held.units());
            leaving.push(*key);
        }
        gone.extend(leaving.iter().filter_map(|key| shelf.take(key)));
        drop(shelf);
    }

    /// All leave, also those that are read, whose memory is free when they have been; and none comes before the end of
    /// the wait.
    pub(super) fn all_give_way(&self) -> Wanted<'_> {
        let mut shelf = self.shelf();
        shelf.waiting += 1;
        let gone = std::mem::take(&mut shelf.entries);
        shelf.order.clear();
        shelf.units = 0;
        drop(shelf);
        drop(gone);
        Wanted(self)
    }

    pub(super) fn units(&self) -> usize {
        self.shelf().units
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn take(&mut self, key: &HotKey) -> Option<Held> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.asked);
        self.units -= entry.held.units();
        Some(entry.held)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.shelf().waiting -= 1;
    }
}
