//! Results: which generation answers those who share it, and until when.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::read;
use crate::cache::Key;
use crate::generation::GenerationId;
use crate::generation::journal::{PastResult, Purge, Shared};
use crate::store::StoreError;

/// In the place of an older result of this name. What was taken back answers nobody.
pub(super) fn add(db: &Connection, generation: &GenerationId, shared: &Shared) -> Result<(), StoreError> {
    let Shared { key, expires_ms } = shared;
    db.prepare_cached(
        "INSERT OR REPLACE INTO results (circle, fingerprint, generation, expires) \
         SELECT ?1, ?2, id, ?4 FROM generations WHERE id = ?3 AND withdrawn = 0",
    )?
    .execute(params![
        key.circle.to_string(),
        key.fingerprint.as_bytes(),
        generation.as_str(),
        expires_ms
    ])?;
    Ok(())
}

pub(super) fn find(db: &Connection, key: &Key, now_ms: i64) -> Result<Option<PastResult>, StoreError> {
    let row = db
        .prepare_cached(
            "SELECT generation, expires FROM results WHERE circle = ?1 AND fingerprint = ?2 AND expires > ?3",
        )?
        .query_row(params![key.circle.to_string(), key.fingerprint.as_bytes(), now_ms], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((generation, expires_ms)) = row else { return Ok(None) };
    Ok(read::any(db, &generation)?.map(|past| PastResult { past, expires_ms }))
}

pub(super) fn until(db: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(db.prepare_cached("SELECT max(expires) FROM results")?.query_row([], |row| row.get(0))?)
}

pub(super) fn remove(db: &Connection, generation: &GenerationId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM results WHERE generation = ?1")?.execute([generation.as_str()])?;
    Ok(())
}

pub(super) fn purge(db: &Connection, which: &Purge) -> Result<usize, StoreError> {
    let Purge { team, model } = which;
    let gone = db
        .prepare_cached(
            "DELETE FROM results WHERE generation IN (SELECT id FROM generations \
             WHERE (?1 IS NULL OR team = ?1) AND (?2 IS NULL OR json_extract(plan, '$.class.model') = ?2))",
        )?
        .execute(params![team, model])?;
    Ok(gone)
}

pub(super) fn sweep(db: &Connection, now_ms: i64, limit: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM results WHERE (circle, fingerprint) IN \
         (SELECT circle, fingerprint FROM results WHERE expires <= ?1 LIMIT ?2)",
    )?
    .execute(params![now_ms, limit])?;
    Ok(())
}
