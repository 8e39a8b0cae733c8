//! Why the store could not do what it was asked, whatever it stands on.

use std::io::{self, ErrorKind};

use crate::disk::NoRoom;

/// Why the store could not do what it was asked. Nothing is broken by it: the next call may succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// No room, or a quota is used up.
    #[error("the picture store is full")]
    Full(#[source] io::Error),
    /// The folder is mounted read-only, or the gateway may not write there or into the bucket.
    #[error("the picture store may not be written")]
    ReadOnly(#[source] io::Error),
    /// The disk failed, or the bucket's server cannot be reached or fails.
    #[error("the picture store failed")]
    Failing(#[source] io::Error),
    #[error("a picture of {0} bytes is larger than the picture store takes")]
    TooLarge(u64),
    #[error("the picture store did not answer in time")]
    Slow,
    #[error("the picture store crashed")]
    Crashed,
}

impl StoreFault {
    /// The label `reason` of `picture_store_failures_total`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::ReadOnly(_) => "read_only",
            Self::Failing(_) | Self::Crashed => "failing",
            Self::TooLarge(_) => "too_large",
            Self::Slow => "slow",
        }
    }
}

impl From<NoRoom> for StoreFault {
    fn from(no: NoRoom) -> Self {
        match no {
            NoRoom::Full { .. } => Self::Full(io::Error::new(ErrorKind::StorageFull, no)),
            NoRoom::ReadOnly(error) => Self::ReadOnly(error),
            NoRoom::Unknown(error) => Self::Failing(error),
        }
    }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full(error),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly(error),
            ErrorKind::TimedOut => Self::Slow,
            _ => Self::Failing(error),
        }
    }
}
