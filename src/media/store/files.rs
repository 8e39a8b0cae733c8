//! The file work of the store, blocking: put, get, and taking a file away without taking another in its place.

use std::collections::HashSet;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::layout::{Layout, Place};
use super::sweep::Round;
use super::tally::Tally;
use super::volume::{Volume, leads_to};
use super::{Found, PICTURE_BYTES_MAX, StoreFault, StoredPicture};
use crate::clock::Clock;
use crate::image::ContentHash;
use crate::media::Picture;

/// Bytes of the file written to see whether there is room, at least.
const TRIAL_BYTES: usize = 1024 * 1024;
/// A file is compared with a picture in pieces of this size.
const COMPARED_BYTES: usize = 64 * 1024;
/// Times a file is written whose way to its place is lost to others.
const WRITE_TRIES: usize = 4;
/// A use is noted when the last one noted is older: order among pictures of days needs no write for each read.
const USE_NOTED_EVERY: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct Files {
    pub(super) layout: Layout,
    pub(super) volume: Arc<dyn Volume>,
    clock: Clock,
    /// The bays whose folders are known to be on the disk itself; at most one entry for each of 65,536 folders.
    prepared: Mutex<HashSet<u16>>,
    /// The round of the sweep that is under way.
    pub(super) round: Mutex<Round>,
    pub(super) tally: Tally,
    damaged: AtomicU64,
}

impl Files {
    /// `max_bytes`: the most it may hold, for longer than a moment.
    pub(super) fn new(volume: Arc<dyn Volume>, root: PathBuf, max_bytes: u64, clock: Clock) -> Self {
        Self {
            layout: Layout::new(root),
            volume,
            clock,
            prepared: Mutex::default(),
            round: Mutex::default(),
            tally: Tally::new(max_bytes),
            damaged: AtomicU64::new(0),
        }
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    pub(super) fn put(&self, picture: &Picture) -> Result<StoredPicture, StoreFault> {
        let bytes = u64::try_from(picture.bytes().len()).unwrap_or(u64::MAX);
        if bytes > PICTURE_BYTES_MAX.min(self.tally.max_bytes()) {
            return Err(StoreFault::TooLarge(bytes));
        }
        let content = ContentHash::of(picture.bytes());
        let place = Place { content, format: picture.format() };
        // Whatever keeps the file that is there from being used as it is, a new one puts right.
        if !self.renew(place, picture.bytes()).unwrap_or(false) {
            self.write(place, picture.bytes())?;
            self.tally.came(place, bytes);
        }
        Ok(StoredPicture { content, format: picture.format(), pixels: picture.pixels(), bytes })
    }

    /// Gives the picture that is there a new date. False: it is not there, or not whole.
    fn renew(&self, place: Place, bytes: &[u8]) -> io::Result<bool> {
        let path = self.layout.file(place);
        let file = File::open(&path)?;
        if !holds(&file, bytes)? {
            return Ok(false);
        }
        self.volume.set_date(&file, self.now())?;
        // The sweep may have judged it by its old date. It takes the file away before it looks at the date again, so
        // either it sees the new date, or the file is seen to be gone here.
        if !leads_to(&path, &file)? {
            return Ok(false);
        }
        self.volume.sync(&file)?;
        // another process may have put it there and died before it had synced the folder
        self.volume.sync_folder(&self.layout.folder(place.bay()))?;
        Ok(true)
    }

    fn write(&self, place: Place, bytes: &[u8]) -> io::Result<()> {
        for _ in 1..WRITE_TRIES {
            self.prepare(place.bay())?;
            match self.write_once(place, bytes) {
                // The folder was removed under a running gateway, or another process took the new file for a leftover,
                // before it was locked.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                other => return other,
            }
        }
        self.prepare(place.bay())?;
        self.write_once(place, bytes)
    }

    fn write_once(&self, place: Place, bytes: &[u8]) -> io::Result<()> {
        self.aside(bytes, |aside| self.volume.rename(aside, &self.layout.file(place)))?;
        self.volume.sync_folder(&self.layout.folder(place.bay()))
    }

    /// Writes a file aside, whole and synced, and hands it on; what is not handed on is removed.
    fn aside(&self, bytes: &[u8], then: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let path = self.layout.aside();
        let file = self.volume.create(&path)?;
        // The lock ends with the process, and tells a living writer's file from a leftover. Where the volume knows no
        // locks, leftovers are not told apart and stay.
        let _ = file.try_lock();
        let written = self
            .volume
            .write(&file, bytes)
            .and_then(|()| self.volume.set_date(&file, self.now()))
            .and_then(|()| self.volume.sync(&file))
            .and_then(|()| then(&path));
        if written.is_err() {
            let _ = self.volume.remove(&path);
        }
        written
    }

    /// Makes the folders that are needed and syncs the folders they stand in, once for each bay. Under the lock, so
    /// that nobody relies on a folder that another is still making.
    fn prepare(&self, bay: u16) -> io::Result<()> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared.contains(&bay) {
            return Ok(());
        }
        let row = self.layout.row(bay);
        self.make_root()?;
        self.volume.make_folder(&row)?;
        self.volume.make_folder(&self.layout.folder(bay))?;
        self.volume.sync_folder(&row)?;
        self.volume.sync_folder(self.layout.root())?;
        prepared.insert(bay);
        Ok(())
    }

    fn make_root(&self) -> io::Result<()> {
        let root = self.layout.root();
        let missing: Vec<&Path> = root
            .ancestors()
            .filter(|path| *path != Path::new(""))
            .take_while(|path| !path.exists())
            .collect();
        for folder in missing.into_iter().rev() {
            self.volume.make_folder(folder)?;
            match folder.parent() {
                Some(parent) if parent == Path::new("") => self.volume.sync_folder(Path::new("."))?,
                Some(parent) => self.volume.sync_folder(parent)?,
                None => {}
            }
        }
        self.volume.make_folder(&self.layout.incoming())
    }

    pub(super) fn trial(&self, bytes: usize) -> Result<(), StoreFault> {
        self.make_root()?;
        Ok(self.aside(&vec![0; bytes.max(TRIAL_BYTES)], |path| self.volume.remove(path))?)
    }

    pub(super) fn contains(&self, place: Place) -> Result<bool, StoreFault> {
        match std::fs::metadata(self.layout.file(place)) {
            Ok(found) => Ok(found.is_file()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is there, which counts as a use.
    pub(super) fn touch(&self, place: Place) -> Result<bool, StoreFault> {
        let Some(file) = self.open(place)? else { return Ok(false) };
        let found = file.metadata()?;
        self.note_use(&file, &found);
        Ok(found.is_file())
    }

    pub(super) fn get(&self, place: Place) -> Result<Found, StoreFault> {
        let Some(file) = self.open(place)? else { return Ok(Found::Missing) };
        // before it is read, which some mounts take for a use and others do not
        let found = file.metadata()?;
        let Some(picture) = read(&file, found.len())?.and_then(|bytes| whole(bytes, place)) else {
            self.discard(place, &file);
            return Ok(Found::Damaged);
        };
        self.note_use(&file, &found);
        Ok(Found::Whole(picture))
    }

    fn open(&self, place: Place) -> io::Result<Option<File>> {
        match File::open(self.layout.file(place)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A use that cannot be noted, on a read-only disk for example, is no failure of the read.
    fn note_use(&self, file: &File, found: &Metadata) {
        let now = self.now();
        let noted = last_use(found).is_ok_and(|used| used + USE_NOTED_EVERY > now);
        if !noted && let Err(error) = self.volume.set_used(file, now) {
            tracing::debug!(%error, "the use of a stored picture could not be noted");
        }
    }

    fn discard(&self, place: Place, file: &File) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        let removed = self.take_away(place, file, |_| true);
        let content = place.content;
        tracing::warn!(%content, ?removed, "a stored picture was damaged and counts as missing");
    }

    /// Removes the file if it still is the one at its place, and `still` says so of what was found there; a file that
    /// has come in the meantime is put back. Tells whether it was removed.
    pub(super) fn take_away(
        &self,
        place: Place,
        file: &File,
        still: impl FnOnce(&Metadata) -> bool,
    ) -> io::Result<bool> {
        // so that nobody clears the file away as a leftover while it is aside and may have to go back
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(false);
        }
        let (path, aside) = (self.layout.file(place), self.layout.aside());
        let length = file.metadata()?.len();
        self.volume.rename(&path, &aside)?;
        let judged =
            leads_to(&aside, file).unwrap_or(false) && file.metadata().is_ok_and(|found| still(&found));
        if judged {
            self.volume.remove(&aside)?;
            self.tally.went(place, length);
        } else {
            self.volume.rename(&aside, &path)?;
        }
        Ok(judged)
    }

    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }
}

/// Last put or read.
pub(super) fn last_use(found: &Metadata) -> io::Result<SystemTime> {
    let put = found.modified()?;
    Ok(found.accessed().map_or(put, |read| read.max(put)))
}

/// The whole file; `None` if it is longer than any picture.
fn read(file: &File, length: u64) -> io::Result<Option<Bytes>> {
    if length > PICTURE_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(PICTURE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes.into()))
}

/// The picture, if the bytes are one and just the one of this place.
pub(super) fn whole(bytes: Bytes, place: Place) -> Option<Picture> {
    let picture = Picture::read(bytes).ok()?;
    let fits = picture.format() == place.format && ContentHash::of(picture.bytes()) == place.content;
    fits.then_some(picture)
}

/// Whether the file has just these bytes.
fn holds(mut file: &File, bytes: &[u8]) -> io::Result<bool> {
    if u64::try_from(bytes.len()).ok() != Some(file.metadata()?.len()) {
        return Ok(false);
    }
    let mut buffer = vec![0; COMPARED_BYTES];
    for piece in bytes.chunks(COMPARED_BYTES) {
        buffer.resize(piece.len(), 0);
        file.read_exact(&mut buffer)?;
        if buffer != piece {
            return Ok(false);
        }
    }
    Ok(true)
}
