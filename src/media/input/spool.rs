//! Where large uploads wait: unnamed files in one directory, bounded in bytes all together.
//!
//! The files have no names, so nothing is left behind, whatever ends the process. All calls that reach the disk are
//! blocking; the callers run them on the blocking pool.

use std::cell::{Cell, RefCell};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::image::ContentHash;
use crate::media::sniff::Look;

/// Bytes in all spooled files together; more uploads are refused until some are done.
const SPOOL_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Files at once: so much of the bytes each of them counts at least, which keeps open files in bounds as well.
const SPOOL_FILES_MAX: usize = 1024;
/// Grain of these bounds; a semaphore counts to 2^29 at least on 32-bit machines, so bytes would not do.
const GRAIN: u64 = 64 * 1024;
/// Bytes read at once to look at a file.
const BLOCK: usize = 8 * 1024;

/// The directory for large uploads. Made when first needed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: Arc<Path>,
    pub(super) room: Arc<Semaphore>,
    /// What a file counts at least, in grains.
    least: u64,
}

/// Why an upload cannot be kept: the operator's matter. Names paths, so it is not for clients.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("no file can be made in the directory for uploads, {}", .directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("an upload cannot be written to disk or read from it")]
    Disk(#[source] io::Error),
    #[error("there are {SPOOL_BYTES_MAX} bytes or {SPOOL_FILES_MAX} files of uploads on disk")]
    Full,
    #[error("keeping an upload crashed")]
    Crashed,
}

impl Spool {
    /// Touches nothing yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::bounded(directory, SPOOL_BYTES_MAX, SPOOL_FILES_MAX)
    }

    pub(super) fn bounded(directory: impl Into<PathBuf>, bytes_max: u64, files_max: usize) -> Self {
        let grains = usize::try_from(bytes_max / GRAIN).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let least = u64::try_from(grains / files_max.max(1)).unwrap_or(u64::MAX);
        Self { directory: directory.into().into(), room: Arc::new(Semaphore::new(grains)), least }
    }

    /// A new file. The directory may have been removed since the last one.
    pub(super) fn open(&self) -> Result<Draft, SpoolError> {
        let room = self.take(self.least)?;
        let opened = tempfile::tempfile_in(&self.directory).or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
                tempfile::tempfile_in(&self.directory)
            }
            _ => Err(error),
        });
        let file = opened
            .map_err(|source| SpoolError::Directory { directory: self.directory.to_path_buf(), source })?;
        Ok(Draft { file, hasher: Sha256::new(), length: 0, room, spool: self.clone() })
    }

    fn take(&self, grains: u64) -> Result<OwnedSemaphorePermit, SpoolError> {
        let grains = u32::try_from(grains).map_err(|_| SpoolError::Full)?;
        Arc::clone(&self.room).try_acquire_many_owned(grains).map_err(|_| SpoolError::Full)
    }
}

/// A spooled file that is being written.
pub(super) struct Draft {
    file: File,
    hasher: Sha256,
    length: u64,
    room: OwnedSemaphorePermit,
    spool: Spool,
}

impl Draft {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let length = self.length.saturating_add(bytes.length());
        let taken = u64::try_from(self.room.num_permits()).unwrap_or(u64::MAX);
        self.room.merge(self.spool.take(length.div_ceil(GRAIN).saturating_sub(taken))?);
        self.file.write_all(bytes).map_err(SpoolError::Disk)?;
        self.hasher.update(bytes);
        self.length = length;
        Ok(())
    }

    pub(super) fn close(self) -> (Spooled, ContentHash) {
        let hash = ContentHash::from_bytes(self.hasher.finalize().into());
        (Spooled { file: self.file, length: self.length, _room: self.room }, hash)
    }
}

/// A spooled file, whole. It goes with its last owner.
#[derive(Debug)]
pub(super) struct Spooled {
    file: File,
    length: u64,
    _room: OwnedSemaphorePermit,
}

impl Spooled {
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes from `at` on, at most `max`. By position, so that readers do not disturb each other.
    pub(super) fn read(&self, at: u64, max: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; rest.min(max)];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// Looks at a spooled file block by block.
pub(super) struct SpooledLook<'f> {
    file: &'f Spooled,
    /// Where the block begins, and the block.
    block: RefCell<(u64, Vec<u8>)>,
    failed: Cell<Option<io::Error>>,
}

impl<'f> SpooledLook<'f> {
    pub(super) fn new(file: &'f Spooled) -> Self {
        Self { file, block: RefCell::default(), failed: Cell::new(None) }
    }

    /// The disk's failure, if a look met one.
    pub(super) fn into_failure(self) -> Option<SpoolError> {
        self.failed.into_inner().map(SpoolError::Disk)
    }

    fn copy(block: &(u64, Vec<u8>), at: u64, into: &mut [u8]) -> bool {
        let from = at.checked_sub(block.0);
        from.is_some_and(|from| block.1.as_slice().read(from, into))
    }
}

impl Look for SpooledLook<'_> {
    fn length(&self) -> u64 {
        self.file.length
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        let mut block = self.block.borrow_mut();
        if Self::copy(&block, at, into) {
            return true;
        }
        match self.file.read(at, BLOCK.max(into.len())) {
            Ok(bytes) => *block = (at, bytes),
            Err(error) => self.failed.set(Some(error)),
        }
        Self::copy(&block, at, into)
    }
}
