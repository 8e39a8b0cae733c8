//! The folder's sweep: pictures past their time or too many, and what crashes left behind. Blocking, a bounded piece at
//! a time.

use std::fs::{DirEntry, File, Metadata, ReadDir, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::StoreFault;
use super::files::{Files, last_use};
use super::layout::{Layout, Place};
use super::oldest::{Candidate, Oldest};

/// Folders opened in one run, most of them empty or not there: a whole round is four runs at least.
const FOLDERS_MAX: u32 = 16_384;
/// Files looked at in one run; the folder in which this is reached is looked at to its end, within the same bound.
const FILES_MAX: usize = 8192;
/// Leftovers looked at in one run.
const LEFTOVERS_MAX: usize = 8192;
/// A picture dated further ahead than this was put or read while the clock was wrong; its age begins anew.
const AHEAD_MAX: Duration = Duration::from_hours(24);

/// What one run of the sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Pictures removed because their time was over.
    pub pictures: u64,
    /// Pictures removed because the store held too much.
    pub for_room: u64,
    /// The length of all of them.
    pub bytes: u64,
    /// Half-written files removed.
    pub leftovers: u64,
    /// Files and folders that could not be looked at or removed; the next round tries again.
    pub failed: u64,
    /// Whether everything has been looked at; the next run begins anew.
    pub round_ended: bool,
    /// Whether the store still holds more than it may.
    pub too_much: bool,
}

impl Swept {
    pub(super) fn note_failure(&mut self, place: Place, error: &(dyn std::error::Error + 'static)) {
        let content = place.content;
        tracing::debug!(%content, error, "a stored picture could not be swept");
        self.failed += 1;
    }
}

/// What came of a look at a file.
enum Looked {
    Stays(Candidate),
    /// With the length it had.
    Removed(u64),
}

/// The round under way: where its next run begins, and what it has found so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    next: u16,
    oldest: Oldest,
}

impl Files {
    pub(super) fn sweep(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        let mut swept = Swept { leftovers: self.clear_leftovers()?, ..Swept::default() };
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut folders, mut files) = (0, 0);
        while folders < FOLDERS_MAX && files < FILES_MAX {
            folders += 1;
            let bay = round.next;
            let last = if self.layout.row(bay).is_dir() {
                // a folder that cannot be read must not keep the sweep from all that stand behind it
                files += self.sweep_folder(bay, now, keep, &mut round.oldest, &mut swept).unwrap_or_else(
                    |error| {
                        tracing::warn!(bay, %error, "a folder of the picture store could not be swept");
                        swept.failed += 1;
                        0
                    },
                );
                bay
            } else {
                bay | 0xff // the whole row is not there
            };
            round.next = last.wrapping_add(1);
            if round.next == 0 {
                self.end_round(round.oldest.take(), &mut swept);
                break;
            }
            self.tally.reach(round.next.into());
        }
        Ok(swept)
    }

    /// Everything has been looked at: if it is too much, the pictures unused longest go.
    fn end_round(&self, oldest: Vec<Candidate>, swept: &mut Swept) {
        swept.round_ended = true;
        let mut excess = self.tally.end_round();
        for candidate in oldest {
            if excess == 0 {
                break;
            }
            match self.evict(candidate) {
                Ok(true) => {
                    swept.for_room += 1;
                    swept.bytes += candidate.bytes;
                    excess = excess.saturating_sub(candidate.bytes);
                }
                Ok(false) => {}
                // somebody else's sweep was faster
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.tally.went(candidate.place, candidate.bytes);
                    excess = excess.saturating_sub(candidate.bytes);
                }
                Err(error) => swept.note_failure(candidate.place, &error),
            }
        }
        swept.too_much = self.tally.is_too_much();
    }

    /// False: it has been put or read since it was met, and stays.
    fn evict(&self, candidate: Candidate) -> io::Result<bool> {
        let file = File::open(self.layout.file(candidate.place))?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(ErrorKind::NotFound.into()); // somebody else is removing it
        }
        self.take_away(candidate.place, &file, |found| {
            last_use(found).is_ok_and(|used| used <= candidate.used)
        })
    }

    /// Tells how many files were looked at.
    fn sweep_folder(
        &self,
        bay: u16,
        now: Timestamp,
        keep: Duration,
        oldest: &mut Oldest,
        swept: &mut Swept,
    ) -> io::Result<usize> {
        let Some(entries) = listed(&self.layout.folder(bay))? else { return Ok(0) };
        let mut files = 0;
        for entry in entries.take(FILES_MAX) {
            files += 1;
            let entry = entry?;
            // what the store did not put there is not its to remove
            let Some(place) = place_of(&entry).filter(|place| place.bay() == bay) else { continue };
            match self.sweep_file(place, &entry.path(), now, keep) {
                Ok(Looked::Stays(candidate)) => {
                    self.tally.count(candidate.bytes);
                    oldest.offer(candidate);
                }
                Ok(Looked::Removed(bytes)) => {
                    swept.pictures += 1;
                    swept.bytes += bytes;
                }
                // somebody else's sweep was faster
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => swept.note_failure(place, &error),
            }
        }
        Ok(files)
    }

    fn sweep_file(&self, place: Place, path: &Path, now: Timestamp, keep: Duration) -> io::Result<Looked> {
        let found = path.symlink_metadata()?;
        let bytes = found.len();
        match age(&found, now)? {
            Age::Past(age) if age > keep => {
                let file = File::open(path)?;
                let still = |found: &Metadata| matches!(age_or_new(found, now), Age::Past(age) if age > keep);
                if self.take_away(place, &file, still)? {
                    return Ok(Looked::Removed(bytes));
                }
            }
            Age::Ahead(ahead) if ahead > AHEAD_MAX => self.volume.set_date(&File::open(path)?, now.into())?,
            Age::Past(_) | Age::Ahead(_) => {}
        }
        let mut used = last_use(&found)?;
        if used > SystemTime::from(now) + AHEAD_MAX {
            used = now.into();
            self.volume.set_used(&File::open(path)?, used)?;
        }
        Ok(Looked::Stays(Candidate { used, place, bytes }))
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
