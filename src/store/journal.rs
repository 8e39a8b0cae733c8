//! The journal of generations in the embedded database.
//!
//! SQL and the stored form of records; what they mean is `generation::journal`'s. Each write is one transaction of the
//! [`Engine`], on the disk before it answers.

mod read;
mod results;
mod stored;

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Engine, StoreError, ledger, usage};
use crate::cache::Key;
use crate::evolink::{FileId, TaskId};
use crate::generation::journal::{
    Admission, Intent, Journal, JournalError, JournalFuture, Note, Page, Past, PastAt, PastResult,
    PurchaseId, Purge, Unfinished, Wanted,
};
use crate::generation::{GenerationId, IdempotencyKey};
use crate::quota::{Exceeded, Settlement, Spent};

/// `generation`'s journal; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineJournal(Engine);

impl EngineJournal {
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }

    /// The same for what begins something: refused where the disk has no room.
    fn start<T, F>(&self, work: F) -> JournalFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Box::pin(async move { self.0.begin(work).await.map_err(JournalError::from) })
    }

    /// Runs `work` in a transaction.
    fn run<T, F>(&self, work: F) -> JournalFuture<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Box::pin(async move { self.0.write(work).await.map_err(JournalError::from) })
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(_) => Self::Refused(error.to_string()),
            StoreError::Exceeded(exceeded) => Self::Exceeded(exceeded),
            StoreError::Unwritable(_) | StoreError::Busy | StoreError::Closed => {
                Self::Failing(error.to_string())
            }
        }
    }
}

impl Journal for EngineJournal {
    fn trial(&self) -> JournalFuture<'_, ()> {
        Box::pin(async move { self.0.trial().await.map_err(JournalError::from) })
    }

    fn admit(&self, admission: Admission, intents: Vec<Intent>) -> JournalFuture<'_, Vec<Exceeded>> {
        self.start(move |db| {
            let plan = stored::plan(&admission.plan)?;
            let owner = &admission.owner;
            db.prepare_cached(
                "INSERT INTO generations (id, team, key, fingerprint, plan, created, private, key_name) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                admission.id.as_str(),
                &*owner.team,
                &*owner.key,
                owner.fingerprint.as_bytes(),
                plan,
                admission.created_ms,
                admission.private,
                &*admission.key_name,
            ])?;
            let over = ledger::hold(db, admission.id.as_str(), &admission.demands, admission.created_ms)?;
            if let Some(key) = &admission.idempotency_key {
                name(db, &owner.team, key, &admission.id)?;
            }
            intents.iter().try_for_each(|intent| begin(db, intent))?;
            Ok(over)
        })
    }

    fn begin(&self, intent: Intent) -> JournalFuture<'_, ()> {
        self.start(move |db| begin(db, &intent))
    }

    fn note(&self, notes: Arc<[Note]>) -> JournalFuture<'_, ()> {
        self.run(move |db| notes.iter().try_for_each(|note| write(db, note)))
    }

    fn unfinished(&self, after: i64, limit: usize) -> JournalFuture<'_, Page<Unfinished, i64>> {
        self.run(move |db| read::unfinished(db, after, limit))
    }

    fn ended(
        &self,
        since_ms: i64,
        before: Option<PastAt>,
        limit: usize,
    ) -> JournalFuture<'_, Page<Past, PastAt>> {
        self.run(move |db| read::ended(db, since_ms, before, limit))
    }

    fn recall(&self, wanted: Wanted, since_ms: i64) -> JournalFuture<'_, Vec<Past>> {
        self.run(move |db| match wanted {
            Wanted::Generation { team, id } => read::by_id(db, &team, &id, since_ms),
            Wanted::Named { team, key } => read::named(db, &team, &key, since_ms),
        })
    }

    fn result(&self, key: Key, now_ms: i64) -> JournalFuture<'_, Option<PastResult>> {
        self.run(move |db| results::find(db, &key, now_ms))
    }

    fn results_until(&self) -> JournalFuture<'_, Option<i64>> {
        self.run(results::until)
    }

    fn purge(&self, which: Purge) -> JournalFuture<'_, usize> {
        self.run(move |db| results::purge(db, &which))
    }

    fn idle_files(&self, limit: usize) -> JournalFuture<'_, Vec<FileId>> {
        self.run(move |db| read::idle_files(db, limit))
    }

    fn on_record(&self, tasks: Vec<TaskId>) -> JournalFuture<'_, Vec<TaskId>> {
        self.run(move |db| read::on_record(db, &tasks))
    }

    fn sweep(&self, ended_before_ms: i64, now_ms: i64, limit: usize) -> JournalFuture<'_, usize> {
        self.run(move |db| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            ledger::sweep(db, now_ms, limit)?;
            results::sweep(db, now_ms, limit)?;
            db.prepare_cached(
                "DELETE FROM uploads WHERE (generation, content) IN \
                 (SELECT generation, content FROM uploads WHERE expires < ?1 LIMIT ?2)",
            )?
            .execute(params![now_ms, limit])?;
            let gone = db
                .prepare_cached(
                    "DELETE FROM generations WHERE number IN \
                     (SELECT number FROM generations WHERE ended < ?1 \
                      AND NOT EXISTS (SELECT 1 FROM results WHERE generation = generations.id) \
                      ORDER BY ended, number LIMIT ?2)",
                )?
                .execute(params![ended_before_ms, limit])?;
            Ok(gone)
        })
    }
}

fn begin(db: &Connection, intent: &Intent) -> Result<(), StoreError> {
    let PurchaseId { generation, image, attempt } = &intent.purchase;
    db.prepare_cached(
        "INSERT INTO purchases (generation, image, attempt, upstream_key, body, begun) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        generation.as_str(),
        image,
        attempt,
        intent.key.as_str(),
        &*intent.body,
        intent.begun_ms,
    ])?;
    Ok(())
}

/// What had the key's name before has it no longer.
fn name(
    db: &Connection,
    team: &str,
    key: &IdempotencyKey,
    generation: &GenerationId,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO idempotency_keys (team, key, generation) \
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM generations WHERE id = ?3)",
    )?
    .execute(params![team, key.as_str(), generation.as_str()])?;
    Ok(())
}

/// A note whose row is gone changes nothing.
fn write(db: &Connection, note: &Note) -> Result<(), StoreError> {
    match note {
        Note::Task { purchase: PurchaseId { generation, image, attempt }, task, reserved } => db
            .prepare_cached(
                "UPDATE purchases SET task = ?4, reserved = ?5, body = NULL \
                 WHERE generation = ?1 AND image = ?2 AND attempt = ?3",
            )?
            .execute(params![
                generation.as_str(),
                image,
                attempt,
                task.as_str(),
                reserved.map(stored::micro)
            ]),
        Note::Ended { purchase: PurchaseId { generation, image, attempt }, result } => db
            .prepare_cached(
                "UPDATE purchases SET outcome = ?4 WHERE generation = ?1 AND image = ?2 AND attempt = ?3",
            )?
            .execute(params![generation.as_str(), image, attempt, stored::result(result)?]),
        Note::Promised { generation } => db
            .prepare_cached("UPDATE generations SET promised = 1 WHERE id = ?1")?
            .execute([generation.as_str()]),
        Note::Stored { generation, image, picture } => db
            .prepare_cached(
                "INSERT OR REPLACE INTO pictures (generation, image, content, format, width, height, bytes) \
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM generations WHERE id = ?1)",
            )?
            .execute(params![
                generation.as_str(),
                image,
                picture.content.as_bytes(),
                picture.format.name(),
                picture.pixels.width,
                picture.pixels.height,
                stored::whole(picture.bytes),
            ]),
        Note::Named { generation, team, key } => return name(db, team, key, generation),
        Note::Unshared { generation } => return results::remove(db, generation),
        Note::Withdrawn { generation } => {
            results::remove(db, generation)?;
            db.prepare_cached("UPDATE generations SET withdrawn = 1 WHERE id = ?1")?
                .execute([generation.as_str()])
        }
        Note::Uploaded { generation, upload } => db
            .prepare_cached(
                "INSERT OR REPLACE INTO uploads (generation, content, file, url, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                generation.as_str(),
                upload.content.as_bytes(),
                upload.file.as_ref().map(FileId::as_str),
                upload.url,
                upload.expires_ms,
            ]),
        Note::FileGone { file } => {
            db.prepare_cached("DELETE FROM uploads WHERE file = ?1")?.execute([file.as_str()])
        }
        Note::Finished { .. } | Note::Dropped { .. } | Note::Raised { .. } | Note::Counted(_) => {
            return account(db, note);
        }
    }?;
    Ok(())
}

/// What changes the books, in the same transaction as the generation that it is about.
fn account(db: &Connection, note: &Note) -> Result<(), StoreError> {
    match note {
        Note::Finished { generation, created, ended_ms, images, settlement, shared } => {
            let changed = db
                .prepare_cached(
                "UPDATE generations SET ended = ?2, outcome = ?3, whole = ?4 WHERE id = ?1 AND ended IS NULL",
            )?
            .execute(params![
                generation.as_str(),
                ended_ms,
                stored::outcome(*created, images)?,
                !images.is_empty() && images.iter().all(Result::is_ok),
            ])?;
            // Written twice, it counts once.
            if changed > 0 {
                let Settlement { spent, micro_credits_per_usd, usage } = &**settlement;
                ledger::settle(db, generation.as_str(), *spent, *micro_credits_per_usd)?;
                usage::add(db, usage)?;
                if let Some(shared) = shared {
                    results::add(db, generation, shared)?;
                }
            }
        }
        Note::Raised { generation, spent, micro_credits_per_usd } => {
            ledger::raise(db, generation.as_str(), *spent, *micro_credits_per_usd)?;
        }
        Note::Counted(row) => {
            usage::add(db, row)?;
        }
        Note::Dropped { generation } => {
            ledger::settle(db, generation.as_str(), Spent::default(), 0)?;
            db.prepare_cached("DELETE FROM generations WHERE id = ?1")?.execute([generation.as_str()])?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
