//! Whether a folder's disk takes more, asked of the system without writing.
//!
//! A disk that has room now may be full a moment later, and one that may be written may fail: who writes still meets
//! both. This is for asking before something is bought that would have to be written. Knows nothing of what is kept.

use std::io;
use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

/// Bytes that have to be free: what the notes of running generations may still take, and a picture of usual size.
pub const ROOM_MIN_BYTES: u64 = 1024 * 1024;

/// Why nothing more should be put into a folder.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    #[error("only {free} bytes are free")]
    Full { free: u64 },
    /// Mounted read-only, or the gateway's user may not write there.
    #[error("it cannot be written: {0}")]
    ReadOnly(io::Error),
    #[error("the system tells nothing of it: {0}")]
    Unknown(io::Error),
}

/// Whether `folder`, or what it would be made in, may be written and has room. One question to the system, which a
/// hanging network mount does not answer: to be asked where waiting harms nobody.
pub fn check_room(folder: &Path) -> Result<(), NoRoom> {
    // A relative path of which nothing is there is made in the working folder.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| NoRoom::ReadOnly(error.into()))?;
    let volume = statvfs(there).map_err(|error| NoRoom::Unknown(error.into()))?;
    if volume.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(NoRoom::ReadOnly(io::ErrorKind::ReadOnlyFilesystem.into()));
    }
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    // A file system that has no size does not tell what is free either.
    if volume.f_blocks > 0 && free < ROOM_MIN_BYTES {
        return Err(NoRoom::Full { free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_still_to_be_made_is_judged_by_what_it_stands_in() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_room(folder.path()).is_ok());
        assert!(check_room(&folder.path().join("a/b/c")).is_ok());
        assert!(check_room(Path::new("no-such-folder-here/images")).is_ok());
    }

    #[test]
    fn where_nobody_may_write_there_is_no_room() {
        // Never writable, also for root.
        let error = check_room(Path::new("/proc/self")).unwrap_err();
        assert!(matches!(error, NoRoom::ReadOnly(_) | NoRoom::Full { .. }), "{error}");
    }
}
