//! One SQLite file, one thread that writes it, many writes in one commit.
//!
//! A write is a closure. Those that wait are run one after the other in one transaction and made durable by one fsync
//! (`synchronous=FULL`); only then do they answer. Each has a savepoint of its own, so that one that fails takes no
//! other with it. A write whose caller has left is done all the same.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{OpenError, StoreError};
use super::schema;
use crate::disk::check_room;

const DATABASE: &str = "state.db";
/// Held locked while a gateway runs; holds nothing.
const LOCK: &str = "state.lock";
/// Writes that may wait for the writer.
const QUEUE_MAX: usize = 4096;
/// Writes in one commit: the last of them waits for all before it.
const GROUP_MAX: usize = 256;
/// Statements kept prepared.
const STATEMENTS_MAX: usize = 64;

/// The database of one gateway; cheap to clone. Closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    way: Way,
    /// Where the database lies; none in memory.
    folder: Option<Arc<Path>>,
    works: Arc<AtomicBool>,
}

/// How writes reach the database.
#[derive(Debug)]
enum Way {
    /// By the writer's thread, since a disk takes its time.
    Queue(mpsc::Sender<Box<dyn Job>>),
    /// At once: memory does not make anybody wait, and a test's paused time does not wait for other threads.
    Here(Mutex<Writer>),
}

impl Engine {
    /// Opens or makes the database in `folder`. Blocks; reads and writes files.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(folder)
            .map_err(|error| OpenError::Folder { path: folder.to_path_buf(), error })?;
        let lock = lock(folder)?;
        let connection = connect(&folder.join(DATABASE))?;
        Self::start(connection, lock, folder)
            .map_err(|error| OpenError::Folder { path: folder.to_path_buf(), error })
    }

    /// A database that ends with the process: for tests, whose paused time does not wait for other threads.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = PathBuf::from(":memory:");
        let database = |error| OpenError::Database { path: path.clone(), error };
        let mut connection = Connection::open_in_memory().map_err(database)?;
        connection.execute_batch("PRAGMA foreign_keys = ON;").map_err(database)?;
        schema::upgrade(&mut connection).map_err(database)?;
        let writer = Writer::new(connection, None);
        let works = Arc::clone(&writer.works);
        Ok(Self(Arc::new(Handle { way: Way::Here(Mutex::new(writer)), folder: None, works })))
    }

    fn start(connection: Connection, lock: File, folder: &Path) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(connection, Some(lock));
        let works = Arc::clone(&writer.works);
        thread::Builder::new().name("state-writer".to_owned()).spawn(move || writer.run(jobs))?;
        let folder = Some(Arc::from(folder));
        Ok(Self(Arc::new(Handle { way: Way::Queue(queue), folder, works })))
    }

    /// Whether the last commit was kept.
    pub fn works(&self) -> bool {
        self.0.works.load(Ordering::Relaxed)
    }

    /// A write that something is begun with: done only where the disk has room for what will follow it. The database's
    /// own files may have room within them when the disk has none.
    pub async fn begin<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let folder = self.0.folder.clone();
        self.write(move |connection| {
            if let Some(folder) = folder {
                check_room(&folder)?;
            }
            work(connection)
        })
        .await
    }

    /// Whether a generation could be begun now: writes a page of the database as it stands.
    pub async fn trial(&self) -> Result<(), StoreError> {
        self.begin(|connection| {
            let version = schema::version(connection)?;
            Ok(connection.pragma_update(None, "user_version", version)?)
        })
        .await
    }

    /// Runs `work` in a transaction and answers once it is on the disk.
    ///
    /// Dropping the future does not undo the write: it may still happen.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { work: Some(work), outcome: None, reply });
        match &self.0.way {
            Way::Queue(queue) => queue.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })?,
            Way::Here(writer) => {
                writer.lock().unwrap_or_else(PoisonError::into_inner).commit_all(&mut vec![job]);
            }
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| OpenError::Folder { path: folder.to_path_buf(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(OpenError::Folder { path: folder.to_path_buf(), error }),
    }
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let database = |error: rusqlite::Error| {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                OpenError::Damaged { path: path.to_path_buf(), detail: error.to_string() }
            }
            _ => OpenError::Database { path: path.to_path_buf(), error },
        }
    };
    let mut connection = Connection::open(path).map_err(database)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(database)?;
    let found = schema::version(&connection).map_err(database)?;
    if found > schema::known() {
        return Err(OpenError::Newer { path: path.to_path_buf(), found, known: schema::known() });
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(database)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: path.to_path_buf(), detail: verdict });
    }
    schema::upgrade(&mut connection).map_err(database)?;
    Ok(connection)
}

/// One write under way.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells the caller, once it is known whether the commit was kept.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let crashed = || Err(StoreError::Refused("the write crashed".to_owned()));
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| crashed());
        let told = outcome.as_ref().map(drop).map_err(Clone::clone);
        self.outcome = Some(outcome);
        told
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // The caller may have left.
        let _ = self.reply.send(outcome);
    }
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    works: Arc<AtomicBool>,
    /// Unlocked by being closed.
    _lock: Option<File>,
}

impl Writer {
    fn new(connection: Connection, lock: Option<File>) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Self { connection, works: Arc::new(AtomicBool::new(true)), _lock: lock }
    }

    fn run(self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while jobs.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            self.commit_all(&mut group);
        }
    }

    fn commit_all(&self, group: &mut Vec<Box<dyn Job>>) {
        let committed = self.commit(group);
        self.works.store(committed.is_ok(), Ordering::Relaxed);
        for job in group.drain(..) {
            job.answer(committed.clone());
        }
    }

    fn commit(&self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let sql = |statement: &str| self.connection.execute_batch(statement).map_err(StoreError::from);
        sql("BEGIN IMMEDIATE")?;
        for job in group {
            let kept = sql("SAVEPOINT job").and_then(|()| job.run(&self.connection));
            if self.connection.is_autocommit() {
                // A full disk has rolled back everything by itself. Another savepoint would begin a transaction of its
                // own and keep what its caller is told is lost.
                let reason = kept.err().map_or_else(|| "rolled back".to_owned(), |error| error.to_string());
                return Err(StoreError::Unwritable(reason));
            }
            if kept.is_err() {
                let _ = sql("ROLLBACK TO job");
            }
            let _ = sql("RELEASE job");
        }
        let committed = sql("COMMIT");
        if committed.is_err() && !self.connection.is_autocommit() {
            let _ = sql("ROLLBACK");
        }
        committed
    }
}

#[cfg(test)]
mod tests;
