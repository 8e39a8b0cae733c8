//! The steps that change the disk, one method each, so that a test can let each of them fail.

use std::fmt;
use std::fs::{DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use super::StoreFault;
use crate::disk::check_room;

/// Pictures are their teams' own: no other user of the machine reads them.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// A place where files are kept. The methods as given here are the real disk's.
pub(crate) trait Volume: fmt::Debug + Send + Sync {
    /// Whether a folder has room, and may be written.
    fn room(&self, path: &Path) -> Result<(), StoreFault> {
        Ok(check_room(path)?)
    }

    /// Makes one folder; one that is there already will do.
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// A new file, never one that is there already.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Sets the date from which a picture's age is counted, which is one of its uses, too.
    fn set_date(&self, file: &File, date: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_modified(date).set_accessed(date))
    }

    /// Sets the date of a picture's last use. Mounts with `relatime` or `noatime` do not do so by themselves.
    fn set_used(&self, file: &File, date: SystemTime) -> io::Result<()> {
        file.set_times(FileTimes::new().set_accessed(date))
    }

    /// Returns when the file's bytes and date are on the disk itself.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Returns when the names in the folder are on the disk itself.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Replaces what is at `to`, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

/// The machine's own disk.
#[derive(Debug)]
pub(super) struct Disk;

impl Volume for Disk {}

/// Whether `path` leads to just this open file, and not to another that has taken its place.
pub(super) fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
