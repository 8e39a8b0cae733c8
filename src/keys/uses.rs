//! When each key last let somebody in: in memory, to the second.
//!
//! A request only touches an atomic that its key's entry holds. What is not written down yet is told to who asks, which
//! is the [`Mint`](super::Mint), once a minute.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of a key that was never used. Every moment is later.
const NEVER: i64 = i64::MIN;

/// The last use of one key. Clones are the same.
#[derive(Debug, Clone)]
pub struct LastUse(Arc<AtomicI64>);

impl Default for LastUse {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER)))
    }
}

impl LastUse {
    /// `second` is Unix time; an earlier one than what is known changes nothing.
    pub(super) fn note(&self, second: i64) {
        // Read first: a busy key writes once a second.
        if self.0.load(Ordering::Relaxed) < second {
            self.0.fetch_max(second, Ordering::Relaxed);
        }
    }

    /// Unix time in seconds; none before its first use.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|second| *second != NEVER)
    }
}

/// The last uses of all keys, by id. They outlive the tables of keys, which changes and reloads replace.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    last: LastUse,
    written: i64,
}

impl Uses {
    /// That of the key with this id.
    pub(super) fn of(&self, id: &str) -> LastUse {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(id) {
            return entry.last.clone();
        }
        let last = LastUse::default();
        entries.insert(id.to_owned(), Entry { last: last.clone(), written: NEVER });
        last
    }

    /// What an earlier run wrote down.
    pub(super) fn restore(&self, id: &str, second: i64) {
        self.of(id).note(second);
        self.wrote(&[(id.to_owned(), second)]);
    }

    /// Ids and seconds that are not written down.
    pub(super) fn unwritten(&self) -> Vec<(String, i64)> {
        let entries = self.entries();
        let last = entries.iter().filter_map(|(id, entry)| Some((id, entry.last.get()?, entry.written)));
        last.filter(|(_, last, written)| last > written).map(|(id, last, _)| (id.clone(), last)).collect()
    }

    /// These are written down now.
    pub(super) fn wrote(&self, uses: &[(String, i64)]) {
        let mut entries = self.entries();
        for (id, second) in uses {
            if let Some(entry) = entries.get_mut(id) {
                entry.written = entry.written.max(*second);
            }
        }
    }

    /// Forgets the keys that no table holds any more.
    pub(super) fn forget_gone(&self) {
        self.entries().retain(|_, entry| Arc::strong_count(&entry.last.0) > 1);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_holds_and_is_written_once() {
        let uses = Uses::default();
        let (one, same) = (uses.of("a"), uses.of("a"));
        assert_eq!((one.get(), uses.unwritten()), (None, Vec::new()));
        one.note(7);
        same.note(5);
        assert_eq!((one.get(), same.get()), (Some(7), Some(7)));
        let news = uses.unwritten();
        assert_eq!(news, [("a".to_owned(), 7)]);
        one.note(8);
        uses.wrote(&news);
        assert_eq!(uses.unwritten(), [("a".to_owned(), 8)], "what came meanwhile is still to be written");
        uses.wrote(&[("a".to_owned(), 8)]);
        assert_eq!(uses.unwritten(), []);
    }

    #[test]
    fn what_was_written_is_restored_and_keys_that_are_gone_are_forgotten() {
        let uses = Uses::default();
        let kept = uses.of("a");
        uses.restore("a", 3);
        uses.restore("b", 4);
        assert_eq!((kept.get(), uses.unwritten()), (Some(3), Vec::new()));
        uses.forget_gone();
        assert_eq!((uses.of("a").get(), uses.of("b").get()), (Some(3), None));
    }
}
