//! The results in memory: bounded, each until its time is over, and those that are not written down yet.
//!
//! moka has the bound and the times; what it gives up for room is in the store behind, and [`Results::is_forgetful`]
//! tells whether asking there makes sense. A new result is held apart from when its record is on its way to the store
//! ([`Results::announce`]) until it is there ([`Results::written`]), so that from [`Results::add`] on it is found at every
//! moment, either here or there.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::key::Key;

/// A result. Times are Unix time in milliseconds.
#[derive(Debug)]
pub struct Entry<T> {
    pub value: Arc<T>,
    /// When it was made.
    pub ended_ms: i64,
    /// When it is no longer kept.
    pub expires_ms: i64,
    /// What it takes in memory, roughly.
    pub bytes: u32,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

/// How old a result is, and how long it is still fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    pub age: Duration,
    pub left: Duration,
}

impl<T> Entry<T> {
    /// For one by whose rules a result is fresh for `ttl`; none when it is no more. A clock that was set back makes it
    /// as good as new.
    pub fn freshness(&self, now_ms: i64, ttl: Duration) -> Option<Freshness> {
        let age = between(self.ended_ms, now_ms);
        let left = between(now_ms, self.expires_ms).min(ttl.saturating_sub(age));
        (!left.is_zero()).then_some(Freshness { age, left })
    }
}

/// Zero when `to` comes before `from`.
fn between(from: i64, to: i64) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// What is in moka: an entry, and for how long from when it came in.
#[derive(Debug)]
struct Kept<T> {
    entry: Entry<T>,
    life: Duration,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { entry: self.entry.clone(), life: self.life }
    }
}

/// Every entry has its own time.
struct Life;

impl<T> Expiry<Key, Kept<T>> for Life {
    fn expire_after_create(&self, _: &Key, kept: &Kept<T>, _: Instant) -> Option<Duration> {
        Some(kept.life)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept<T>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.life)
    }
}

/// A result whose record is on its way to the store.
#[derive(Debug)]
struct Unwritten<T> {
    entry: Entry<T>,
    /// It has been added: it answers.
    answers: bool,
}

/// Results in memory, by name.
pub struct Results<T> {
    kept: Cache<Key, Kept<T>>,
    unwritten: Mutex<HashMap<Key, Unwritten<T>>>,
    /// Rises with every purge, under the lock of `unwritten`.
    purges: AtomicU64,
    /// Until then the store behind may have results that are not here. Unix time in milliseconds.
    forgetful_until_ms: Arc<AtomicI64>,
}

impl<T: Send + Sync + 'static> Results<T> {
    /// `bytes`: what they may take together, roughly; those that are not written down yet come on top.
    pub fn new(bytes: u64) -> Self {
        let forgetful_until_ms = Arc::new(AtomicI64::new(i64::MIN));
        let until = Arc::clone(&forgetful_until_ms);
        let kept = Cache::builder()
            .max_capacity(bytes)
            // A new result is never turned away: without a store behind it would be bought again.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, kept: &Kept<T>| kept.entry.bytes)
            .expire_after(Life)
            .eviction_listener(move |_, kept: Kept<T>, cause| {
                if cause == RemovalCause::Size {
                    until.fetch_max(kept.entry.expires_ms, Ordering::Relaxed);
                }
            })
            .build();
        Self { kept, unwritten: Mutex::default(), purges: AtomicU64::new(0), forgetful_until_ms }
    }

    /// The result of this name, if it is here and still kept.
    pub fn get(&self, key: &Key, now_ms: i64) -> Option<Entry<T>> {
        let entry = self.kept.get(key).map(|kept| kept.entry).or_else(|| {
            let unwritten = self.unwritten();
            unwritten.get(key).filter(|new| new.answers).map(|new| new.entry.clone())
        });
        entry.filter(|entry| now_ms < entry.expires_ms)
    }

    /// The record of a new result is about to be written: it is held until [`Results::written`] is told of it, and
    /// answers from [`Results::add`] on.
    pub fn announce(&self, key: Key, entry: Entry<T>) {
        self.unwritten().insert(key, Unwritten { entry, answers: false });
    }

    /// A new result, in the place of an older one of its name.
    pub fn add(&self, key: Key, entry: Entry<T>, now_ms: i64) {
        if let Some(new) = self.unwritten().get_mut(&key)
            && Arc::ptr_eq(&new.entry.value, &entry.value)
        {
            new.answers = true;
        }
        let life = between(now_ms, entry.expires_ms);
        self.kept.insert(key, Kept { entry, life });
    }

    /// How often was purged; for [`Results::put`].
    pub fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    /// One that the store behind had. False, and nothing is done, when there was a purge since `purges`: it may have been
    /// meant. A newer one stays.
    pub fn put(&self, key: Key, entry: Entry<T>, now_ms: i64, purges: u64) -> bool {
        let unwritten = self.unwritten();
        if self.purges() != purges {
            return false;
        }
        if unwritten.get(&key).is_some_and(|new| new.answers) {
            return true;
        }
        let life = between(now_ms, entry.expires_ms);
        self.kept.entry(key).and_compute_with(|found| match found {
            Some(found) if found.value().entry.ended_ms >= entry.ended_ms => Op::Nop,
            _ => Op::Put(Kept { entry, life }),
        });
        true
    }

    /// The result of this name is written down, if it is still this one.
    pub fn written(&self, key: &Key, is_it: impl Fn(&T) -> bool) {
        let mut unwritten = self.unwritten();
        if unwritten.get(key).is_some_and(|new| is_it(&new.entry.value)) {
            unwritten.remove(key);
        }
    }

    /// Takes the result of this name away, if it is still this one.
    pub fn remove(&self, key: &Key, is_it: impl Fn(&T) -> bool) {
        self.written(key, &is_it);
        self.kept.entry_by_ref(key).and_compute_with(|found| match found {
            Some(found) if is_it(&found.value().entry.value) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Takes all away that are meant, and tells how many were here.
    pub fn purge(&self, meant: impl Fn(&T) -> bool) -> usize {
        {
            let mut unwritten = self.unwritten();
            self.purges.fetch_add(1, Ordering::AcqRel);
            unwritten.retain(|_, new| !meant(&new.entry.value));
        }
        let keys: Vec<_> =
            self.kept.iter().filter(|(_, kept)| meant(&kept.entry.value)).map(|(key, _)| key).collect();
        keys.iter().filter(|key| self.kept.remove(&***key).is_some()).count()
    }

    /// Results in memory.
    pub fn count(&self) -> u64 {
        self.kept.run_pending_tasks();
        self.kept.entry_count()
    }

    /// The store behind has results that are kept until then, and may not be here.
    pub fn note_behind(&self, until_ms: i64) {
        self.forgetful_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Whether the store behind may have a result that is not here.
    pub fn is_forgetful(&self, now_ms: i64) -> bool {
        now_ms < self.forgetful_until_ms.load(Ordering::Relaxed)
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<Key, Unwritten<T>>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
