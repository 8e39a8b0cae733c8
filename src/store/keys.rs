//! The minted keys, and the last uses of all keys, in the database. Digests only, no secrets.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Engine, StoreError};
use crate::keys::{KeyDigest, MintedFuture, MintedKey, MintedKeys, MintedKeysError};

/// `keys`' store in the embedded database; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineKeys(Engine);

impl EngineKeys {
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }

    fn run<T, F>(&self, work: F) -> MintedFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Box::pin(async move { self.0.write(work).await.map_err(|error| MintedKeysError(error.to_string())) })
    }
}

impl MintedKeys for EngineKeys {
    fn all(&self) -> MintedFuture<'_, Vec<MintedKey>> {
        self.run(all)
    }

    fn add(&self, key: MintedKey) -> MintedFuture<'_, ()> {
        self.run(move |db| add(db, &key))
    }

    fn replace(&self, old: MintedKey, new: MintedKey) -> MintedFuture<'_, ()> {
        self.run(move |db| {
            retire(db, &old)?;
            add(db, &new)
        })
    }

    fn remove(&self, ids: Vec<String>) -> MintedFuture<'_, ()> {
        self.run(move |db| {
            let mut statement = db.prepare_cached("DELETE FROM minted_keys WHERE id = ?1")?;
            for id in &ids {
                statement.execute([id])?;
            }
            Ok(())
        })
    }

    fn uses(&self) -> MintedFuture<'_, Vec<(String, i64)>> {
        self.run(|db| {
            let mut statement = db.prepare_cached("SELECT id, last_used FROM key_uses")?;
            let uses = statement.query_map([], |row| Ok((row.get(0)?, seconds(row.get(1)?))))?;
            Ok(uses.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn write_uses(&self, uses: Vec<(String, i64)>, oldest: i64) -> MintedFuture<'_, ()> {
        self.run(move |db| {
            let mut statement = db.prepare_cached(
                "INSERT INTO key_uses (id, last_used) VALUES (?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET last_used = max(last_used, excluded.last_used)",
            )?;
            for (id, second) in &uses {
                statement.execute(params![id, milliseconds(*second)])?;
            }
            db.prepare_cached("DELETE FROM key_uses WHERE last_used < ?1")?
                .execute([milliseconds(oldest)])?;
            Ok(())
        })
    }
}

fn all(db: &Connection) -> Result<Vec<MintedKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT id, team, name, digest, created, expires, replaced_by FROM minted_keys ORDER BY id",
    )?;
    let keys = statement.query_map([], read)?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<MintedKey> {
    Ok(MintedKey {
        id: row.get(0)?,
        team: row.get(1)?,
        name: row.get(2)?,
        digest: KeyDigest::from_bytes(row.get(3)?),
        created: moment(row.get(4)?),
        expires: row.get::<_, Option<i64>>(5)?.map(moment),
        replaced_by: row.get(6)?,
    })
}

fn add(db: &Connection, key: &MintedKey) -> Result<(), StoreError> {
    let MintedKey { id, team, name, digest, created, expires, replaced_by } = key;
    let (created, expires) = (created.as_millisecond(), expires.map(Timestamp::as_millisecond));
    db.prepare_cached(
        "INSERT INTO minted_keys (id, team, name, digest, created, expires, replaced_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![id, team, name, digest.as_bytes(), created, expires, replaced_by])?;
    Ok(())
}

/// What a rotation changes of the old key. Fails when it is not there.
fn retire(db: &Connection, old: &MintedKey) -> Result<(), StoreError> {
    let sql = "UPDATE minted_keys SET expires = ?2, replaced_by = ?3 WHERE id = ?1 RETURNING id";
    let expires = old.expires.map(Timestamp::as_millisecond);
    let changed: Option<String> = db
        .prepare_cached(sql)?
        .query_row(params![old.id, expires, old.replaced_by], |row| row.get(0))
        .optional()?;
    changed.map(drop).ok_or_else(|| StoreError::Refused(format!("there is no key {}", old.id)))
}

/// A moment that no calendar has is taken for the one next to it.
fn moment(millisecond: i64) -> Timestamp {
    let nearest = if millisecond < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(millisecond).unwrap_or(nearest)
}

fn milliseconds(second: i64) -> i64 {
    second.saturating_mul(1000)
}

fn seconds(millisecond: i64) -> i64 {
    millisecond.div_euclid(1000)
}

#[cfg(test)]
mod tests;
