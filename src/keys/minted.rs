//! Keys made while the gateway runs: what is known of one, where it is kept, and the table that requests are looked up
//! in. The secrets are in none of them.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

use super::secret::KeyDigest;
use super::uses::{LastUse, Uses};

/// One key made through the admin API. Its times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintedKey {
    /// The first twelve hex digits of the digest.
    pub id: String,
    pub team: String,
    pub name: String,
    pub digest: KeyDigest,
    pub created: Timestamp,
    /// From this moment on the key is no good.
    pub expires: Option<Timestamp>,
    /// The id of the key that took its place; it works until it expires all the same.
    pub replaced_by: Option<String>,
}

impl MintedKey {
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The minted keys cannot be read or written at the moment. Nothing of the change was kept.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the minted keys cannot be read or written: {0}")]
pub struct MintedKeysError(pub String);

/// An answer of what keeps the minted keys.
pub type MintedFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, MintedKeysError>> + Send + 'a>>;

/// What keeps the minted keys beyond the process. A change is durable once it is answered, and whole or not at all.
pub trait MintedKeys: Send + Sync + fmt::Debug {
    /// All there are, in no order.
    fn all(&self) -> MintedFuture<'_, Vec<MintedKey>>;
    fn add(&self, key: MintedKey) -> MintedFuture<'_, ()>;
    /// Writes `old` as it is now, and adds the one that takes its place.
    fn replace(&self, old: MintedKey, new: MintedKey) -> MintedFuture<'_, ()>;
    /// Ids that are not there are none to remove.
    fn remove(&self, ids: Vec<String>) -> MintedFuture<'_, ()>;
    /// Ids of keys, those of the configuration too, and when each was last used, in Unix seconds.
    fn uses(&self) -> MintedFuture<'_, Vec<(String, i64)>>;
    /// Writes such uses, and forgets those from before `oldest`.
    fn write_uses(&self, uses: Vec<(String, i64)>, oldest: i64) -> MintedFuture<'_, ()>;
}

#[derive(Debug, Clone)]
struct Slot {
    key: Arc<MintedKey>,
    last_use: LastUse,
}

/// The minted keys by digest, in memory. Never changed: a change makes another.
#[derive(Debug, Clone, Default)]
pub struct MintedTable(HashMap<KeyDigest, Slot>);

impl MintedTable {
    pub(super) fn new(keys: impl IntoIterator<Item = MintedKey>, uses: &Uses) -> Self {
        let mut table = Self::default();
        keys.into_iter().for_each(|key| table.put(key, uses));
        table
    }

    /// Adds a key, or replaces the one with its digest.
    pub(super) fn put(&mut self, key: MintedKey, uses: &Uses) {
        let last_use = uses.of(&key.id);
        self.0.insert(key.digest, Slot { key: Arc::new(key), last_use });
    }

    pub(super) fn remove(&mut self, ids: &[String]) {
        self.0.retain(|_, slot| !ids.contains(&slot.key.id));
    }

    /// The key whose secret has this digest, whether it has expired or not.
    pub(super) fn find(&self, digest: &KeyDigest) -> Option<(&MintedKey, &LastUse)> {
        let slot = self.0.get(digest).filter(|slot| slot.key.digest.matches(digest))?;
        Some((&slot.key, &slot.last_use))
    }

    pub fn by_id(&self, id: &str) -> Option<&MintedKey> {
        self.entries().map(|(key, _)| key).find(|key| key.id == id)
    }

    /// All keys with their last uses, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&MintedKey, &LastUse)> {
        self.0.values().map(|slot| (&*slot.key, &slot.last_use))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
