//! What can go wrong with the database.

use std::path::PathBuf;

use crate::quota::Exceeded;

use crate::disk::NoRoom;

/// Why the database cannot be opened. The gateway does not start: it must not buy what it cannot write down.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the folder {path} (state.path) cannot be made or written: {error}")]
    Folder { path: PathBuf, error: std::io::Error },
    #[error(
        "{path} is in use by another gateway; two on one folder would buy twice: give each its own state.path"
    )]
    InUse { path: PathBuf },
    #[error(
        "{path} was written by a newer version (schema {found}, this one knows {known}): start that version"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "{path} is damaged ({detail}): restore a copy, or move it aside and check upstream's task list by hand"
    )]
    Damaged { path: PathBuf, detail: String },
    #[error("{path} cannot be opened: {error}")]
    Database { path: PathBuf, error: rusqlite::Error },
}

/// Why a write or read did not happen. Nothing of the write was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Disk full, read-only, failing: the same write may work later.
    #[error("the database cannot write: {0}")]
    Unwritable(String),
    /// More writes wait than the queue holds.
    #[error("too many writes are waiting")]
    Busy,
    /// The statement itself is wrong, or broke a rule of the schema.
    #[error("the database refused: {0}")]
    Refused(String),
    /// A budget has no room.
    #[error("a budget is spent")]
    Exceeded(Exceeded),
    /// The writer has stopped.
    #[error("the database is closed")]
    Closed,
}

impl From<NoRoom> for StoreError {
    fn from(error: NoRoom) -> Self {
        Self::Unwritable(format!("state.path: {error}"))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull | ReadOnly | SystemIoFailure | CannotOpen) => Self::Unwritable(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}
