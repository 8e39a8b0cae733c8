//! The store's sweep: pictures past their time, and what crashes left behind. Blocking, a bounded piece at a time.

use std::fs::{DirEntry, File, Metadata, ReadDir};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::StoreFault;
use super::files::Files;
use super::layout::{Layout, Place};

/// Folders opened in one run, most of them empty or not there: a whole round is four runs at least.
const FOLDERS_MAX: u32 = 16_384;
/// Files looked at in one run; the folder in which this is reached is looked at to its end, within the same bound.
const FILES_MAX: usize = 8192;
/// Leftovers looked at in one run.
const LEFTOVERS_MAX: usize = 8192;
/// A picture dated further ahead than this was put while the clock was wrong; its age begins anew.
const AHEAD_MAX: Duration = Duration::from_hours(24);

/// What one run of the sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Pictures removed.
    pub pictures: u64,
    /// And the length of their files.
    pub bytes: u64,
    /// Half-written files removed.
    pub leftovers: u64,
    /// Files and folders that could not be looked at or removed; the next round tries again.
    pub failed: u64,
    /// Whether the last folder was reached; the next run begins at the first.
    pub round_ended: bool,
}

impl Files {
    pub(super) fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        let mut swept = Swept { leftovers: self.clear_leftovers()?, ..Swept::default() };
        let mut next = self.swept_to.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut folders, mut files) = (0, 0);
        while folders < FOLDERS_MAX && files < FILES_MAX {
            folders += 1;
            let last = if self.layout.row(*next).is_dir() {
                // a folder that cannot be read must not keep the sweep from all that stand behind it
                files += self.sweep_folder(*next, now, keep, &mut swept).unwrap_or_else(|error| {
                    tracing::warn!(bay = *next, %error, "a folder of the picture store could not be swept");
                    swept.failed += 1;
                    0
                });
                *next
            } else {
                *next | 0xff // the whole row is not there
            };
            *next = last.wrapping_add(1);
            if *next == 0 {
                swept.round_ended = true;
                break;
            }
        }
        Ok(swept)
    }

    /// Tells how many files were looked at.
    fn sweep_folder(&self, bay: u16, now: Timestamp, keep: Duration, swept: &mut Swept) -> io::Result<usize> {
        let Some(entries) = listed(&self.layout.folder(bay))? else { return Ok(0) };
        let mut files = 0;
        for entry in entries.take(FILES_MAX) {
            files += 1;
            let entry = entry?;
            // what the store did not put there is not its to remove
            let Some(place) = place_of(&entry).filter(|place| place.bay() == bay) else { continue };
            match self.sweep_file(place, &entry.path(), now, keep) {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    swept.pictures += 1;
                    swept.bytes += bytes;
                }
                // somebody else's sweep was faster
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let content = place.content;
                    tracing::debug!(%content, %error, "a stored picture could not be swept");
                    swept.failed += 1;
                }
            }
        }
        Ok(files)
    }

    /// The length of the file if it was removed.
    fn sweep_file(
        &self,
        place: Place,
        path: &Path,
        now: Timestamp,
        keep: Duration,
    ) -> io::Result<Option<u64>> {
        let found = path.symlink_metadata()?;
        match age(&found, now)? {
            Age::Past(age) if age > keep => {
                let file = File::open(path)?;
                let still = |found: &Metadata| matches!(age_or_new(found, now), Age::Past(age) if age > keep);
                Ok(self.take_away(place, &file, still)?.then_some(found.len()))
            }
            Age::Ahead(ahead) if ahead > AHEAD_MAX => {
                self.volume.set_date(&File::open(path)?, now.into())?;
                Ok(None)
            }
            Age::Past(_) | Age::Ahead(_) => Ok(None),
        }
    }

    pub(super) fn clear_leftovers(&self) -> Result<u64, StoreFault> {
        let Some(entries) = listed(&self.layout.incoming())? else { return Ok(0) };
        let mut removed = 0;
        for entry in entries.take(LEFTOVERS_MAX) {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(Layout::is_aside) {
                continue;
            }
            // Not there any more: its writer has finished. Locked: its writer is at work.
            let Ok(file) = File::open(entry.path()) else { continue };
            if file.try_lock().is_ok() && self.volume.remove(&entry.path()).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// How far a picture's date is from now.
enum Age {
    Past(Duration),
    Ahead(Duration),
}

fn age(found: &Metadata, now: Timestamp) -> io::Result<Age> {
    let put = Timestamp::try_from(found.modified()?).unwrap_or(Timestamp::MIN);
    let age = now.duration_since(put);
    Ok(if age.is_negative() { Age::Ahead(age.unsigned_abs()) } else { Age::Past(age.unsigned_abs()) })
}

/// A date that cannot be read is no reason to remove anything.
fn age_or_new(found: &Metadata, now: Timestamp) -> Age {
    age(found, now).unwrap_or(Age::Past(Duration::ZERO))
}

/// The folder's entries; `None` if there is no such folder.
fn listed(folder: &Path) -> io::Result<Option<ReadDir>> {
    match folder.read_dir() {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn place_of(entry: &DirEntry) -> Option<Place> {
    Place::from_file_name(entry.file_name().to_str()?)
}
