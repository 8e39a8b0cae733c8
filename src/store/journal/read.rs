//! Reading the journal back, in pages. A row that cannot be read is logged and left where it is.

use bytes::Bytes;
use rusqlite::{Connection, Params, Row, params};

use super::stored;
use crate::evolink::{FileId, TaskId, UpstreamKey};
use crate::generation::journal::{Admission, Page, Past, PastAt, StoredPurchase, StoredUpload, Unfinished};
use crate::generation::{GenerationId, IdempotencyKey, Owner};
use crate::image::{ContentHash, Fingerprint, Format, Pixels};
use crate::media::StoredPicture;
use crate::store::{StoreError, ledger};

pub(super) fn unfinished(
    db: &Connection,
    after: i64,
    limit: usize,
) -> Result<Page<Unfinished, i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT number, id, team, key, fingerprint, plan, created, promised, private, key_name, withdrawn FROM generations \
         WHERE ended IS NULL AND number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after, bound(limit)], |row| {
        Ok((row.get::<_, i64>("number")?, Head::read(row)?, row.get("withdrawn")?))
    })?;
    let rows: Vec<(i64, Head, bool)> = rows.collect::<Result<_, _>>()?;
    let next = rows.last().filter(|_| rows.len() >= limit).map(|(number, ..)| *number);
    let mut records = Vec::with_capacity(rows.len());
    for (_, head, withdrawn) in rows {
        let (purchases, uploads) = (purchases(db, &head.id)?, uploads(db, &head.id)?);
        let (pictures, keys) = (pictures(db, &head.id)?, keys(db, &head.id)?);
        let (promised, holds) = (head.promised, ledger::held(db, head.id.as_str())?);
        let record =
            kept(&head.id.clone(), head.into_admission().and_then(|admission| Ok((admission, purchases?))));
        if let Some((mut admission, purchases)) = record {
            admission.idempotency_key = keys.into_iter().next();
            records.push(Unfinished { admission, promised, withdrawn, holds, purchases, uploads, pictures });
        }
    }
    Ok(Page { records, next })
}

/// What is read of a generation that has ended.
macro_rules! past {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, team, key, fingerprint, plan, created, promised, private, key_name, ended, outcome ",
            "FROM generations WHERE withdrawn = 0 AND ended > ?1 AND ",
            $rest
        )
    };
}

pub(super) fn ended(
    db: &Connection,
    since_ms: i64,
    before: Option<PastAt>,
    limit: usize,
) -> Result<Page<Past, PastAt>, StoreError> {
    let before = before.unwrap_or(PastAt { ended_ms: i64::MAX, number: i64::MAX });
    let query = past!("(ended, number) < (?2, ?3) ORDER BY ended DESC, number DESC LIMIT ?4");
    let rows = pasts(db, query, params![since_ms, before.ended_ms, before.number, bound(limit)])?;
    let next = rows.last().filter(|_| rows.len() >= limit).map(|(at, _)| *at);
    let records = rows.into_iter().filter_map(|(_, past)| past).collect();
    Ok(Page { records, next })
}

/// The team's generation of this id.
pub(super) fn by_id(
    db: &Connection,
    team: &str,
    id: &GenerationId,
    since_ms: i64,
) -> Result<Vec<Past>, StoreError> {
    read_all(db, past!("id = ?2 AND team = ?3"), params![since_ms, id.as_str(), team])
}

/// The one that the team's idempotency key stands for.
pub(super) fn named(
    db: &Connection,
    team: &str,
    key: &IdempotencyKey,
    since_ms: i64,
) -> Result<Vec<Past>, StoreError> {
    let query = past!("id = (SELECT generation FROM idempotency_keys WHERE team = ?2 AND key = ?3)");
    read_all(db, query, params![since_ms, team, key.as_str()])
}

/// The one of this id, whoever's it is.
pub(super) fn any(db: &Connection, id: &str) -> Result<Option<Past>, StoreError> {
    Ok(read_all(db, past!("id = ?2"), params![i64::MIN, id])?.pop())
}

fn read_all(db: &Connection, query: &str, values: impl Params) -> Result<Vec<Past>, StoreError> {
    Ok(pasts(db, query, values)?.into_iter().filter_map(|(_, past)| past).collect())
}

/// The rows of a [`past!`] query; of one that cannot be read, its place only.
fn pasts(
    db: &Connection,
    query: &str,
    values: impl Params,
) -> Result<Vec<(PastAt, Option<Past>)>, StoreError> {
    let mut statement = db.prepare_cached(query)?;
    let rows = statement.query_map(values, |row| {
        let at = PastAt { ended_ms: row.get("ended")?, number: row.get("number")? };
        Ok((at, Head::read(row)?, row.get::<_, String>("outcome")?))
    })?;
    let rows: Vec<(PastAt, Head, String)> = rows.collect::<Result<_, _>>()?;
    let mut records = Vec::with_capacity(rows.len());
    for (at, head, outcome) in rows {
        let (promised, id) = (head.promised, head.id.clone());
        let (pictures, idempotency_keys) = (pictures(db, &id)?, keys(db, &id)?);
        let read = |head: Head| Ok((head.into_admission()?, stored::read_outcome(&outcome)?));
        let past = kept(&id, read(head)).map(|(mut admission, (created, images))| {
            admission.idempotency_key = idempotency_keys.first().cloned();
            Past { admission, promised, created, ended_ms: at.ended_ms, images, pictures, idempotency_keys }
        });
        records.push((at, past));
    }
    Ok(records)
}

pub(super) fn idle_files(db: &Connection, limit: usize) -> Result<Vec<FileId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT DISTINCT file FROM uploads AS idle WHERE file IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM uploads JOIN generations ON generations.id = uploads.generation \
          WHERE uploads.file = idle.file AND generations.ended IS NULL) LIMIT ?1",
    )?;
    let files = statement.query_map([bound(limit)], |row| row.get::<_, String>(0))?;
    Ok(files.map(|file| file.map(FileId::new)).collect::<Result<_, _>>()?)
}

pub(super) const ON_RECORD: &str =
    "SELECT DISTINCT task FROM purchases WHERE task IN (SELECT value FROM json_each(?1))";

pub(super) fn on_record(db: &Connection, tasks: &[TaskId]) -> Result<Vec<TaskId>, StoreError> {
    let ids: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    let mut statement = db.prepare_cached(ON_RECORD)?;
    let found =
        statement.query_map([serde_json::Value::from(ids).to_string()], |row| row.get::<_, String>(0))?;
    Ok(found.map(|task| task.map(TaskId::new)).collect::<Result<_, _>>()?)
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn kept<T>(id: &str, record: Result<T, StoreError>) -> Option<T> {
    record
        .inspect_err(|error| {
            tracing::error!(generation_id = id, %error, "a generation in the journal cannot be read; it is left there");
        })
        .ok()
}

/// The columns that every generation has.
struct Head {
    id: String,
    team: String,
    key: String,
    fingerprint: [u8; 32],
    plan: String,
    created: i64,
    promised: bool,
    private: bool,
    key_name: String,
}

impl Head {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            team: row.get("team")?,
            key: row.get("key")?,
            fingerprint: row.get("fingerprint")?,
            plan: row.get("plan")?,
            created: row.get("created")?,
            promised: row.get("promised")?,
            private: row.get("private")?,
            key_name: row.get("key_name")?,
        })
    }

    fn into_admission(self) -> Result<Admission, StoreError> {
        Ok(Admission {
            id: GenerationId::kept(self.id),
            owner: Owner {
                team: self.team.into(),
                key: self.key.into(),
                fingerprint: Fingerprint::from_bytes(self.fingerprint),
            },
            plan: stored::read_plan(&self.plan)?.into(),
            created_ms: self.created,
            idempotency_key: None,
            private: self.private,
            key_name: self.key_name.into(),
            demands: Vec::new(),
        })
    }
}

type Purchases = Result<Vec<StoredPurchase>, StoreError>;

/// The outer error is the database's, the inner one that of a row.
fn purchases(db: &Connection, generation: &str) -> Result<Purchases, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT image, attempt, upstream_key, body, begun, task, reserved, outcome FROM purchases \
         WHERE generation = ?1 ORDER BY image, attempt",
    )?;
    let rows = statement.query_map([generation], |row| {
        let purchase = StoredPurchase {
            image: row.get("image")?,
            attempt: row.get("attempt")?,
            key: UpstreamKey::kept(row.get("upstream_key")?),
            body: Bytes::from(row.get::<_, Option<Vec<u8>>>("body")?.unwrap_or_default()),
            begun_ms: row.get("begun")?,
            task: row.get::<_, Option<String>>("task")?.map(TaskId::new),
            reserved: row.get::<_, Option<i64>>("reserved")?.map(stored::credits),
            result: None,
        };
        Ok((purchase, row.get::<_, Option<String>>("outcome")?))
    })?;
    let rows: Vec<(StoredPurchase, Option<String>)> = rows.collect::<Result<_, _>>()?;
    let read = |(purchase, outcome): (StoredPurchase, Option<String>)| {
        let result = outcome.as_deref().map(stored::read_result).transpose()?;
        Ok(StoredPurchase { result, ..purchase })
    };
    Ok(rows.into_iter().map(read).collect())
}

fn uploads(db: &Connection, generation: &str) -> Result<Vec<StoredUpload>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT content, file, url, expires FROM uploads WHERE generation = ?1")?;
    let rows = statement.query_map([generation], |row| {
        Ok(StoredUpload {
            content: ContentHash::from_bytes(row.get("content")?),
            file: row.get::<_, Option<String>>("file")?.map(FileId::new),
            url: row.get("url")?,
            expires_ms: row.get("expires")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn pictures(db: &Connection, generation: &str) -> Result<Vec<(u8, StoredPicture)>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT image, content, format, width, height, bytes FROM pictures WHERE generation = ?1 ORDER BY image",
    )?;
    let rows = statement.query_map([generation], |row| {
        // A format of a later version is as if the picture were not there.
        let Some(format) = Format::from_name(&row.get::<_, String>("format")?) else { return Ok(None) };
        let picture = StoredPicture {
            content: ContentHash::from_bytes(row.get("content")?),
            format,
            pixels: Pixels::new(row.get("width")?, row.get("height")?),
            bytes: u64::try_from(row.get::<_, i64>("bytes")?).unwrap_or(0),
        };
        Ok(Some((row.get("image")?, picture)))
    })?;
    Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
}

fn keys(db: &Connection, generation: &str) -> Result<Vec<IdempotencyKey>, StoreError> {
    let mut statement = db.prepare_cached("SELECT key FROM idempotency_keys WHERE generation = ?1")?;
    let keys = statement.query_map([generation], |row| row.get::<_, String>(0))?;
    Ok(keys.map(|key| key.map(|key| IdempotencyKey::kept(&key))).collect::<Result<_, _>>()?)
}
