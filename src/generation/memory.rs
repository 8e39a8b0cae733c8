//! A bound on the bytes of pictures held at once.
//!
//! A place is taken before a picture's size is known, by a guess that follows what pictures have been lately, and
//! corrected afterwards. A correction never waits (two answers waiting for each other's memory would wait for ever),
//! so the bound may be passed by what the pictures under way exceed their guess.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in these units.
const UNIT: usize = 1024;
/// The guess before any picture was seen.
const GUESS_FIRST: usize = 2 * 1024 * 1024;

/// Memory held for pictures; dropping it gives the memory back.
pub(super) type Held = OwnedSemaphorePermit;

#[derive(Debug)]
pub(super) struct PictureMemory {
    free: Arc<Semaphore>,
    units: usize,
    guess: AtomicUsize,
}

impl PictureMemory {
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units, guess: AtomicUsize::new(GUESS_FIRST) }
    }

    /// Waits for room for `pictures` pictures of the usual size; however large, they get in alone.
    pub(super) async fn take(&self, pictures: usize) -> Option<Held> {
        let wanted = self.units_for(pictures.saturating_mul(self.guess.load(Ordering::Relaxed)));
        Arc::clone(&self.free).acquire_many_owned(wanted).await.ok()
    }

    /// Corrects a guess to the true number of bytes.
    pub(super) fn correct(&self, mut held: Held, pictures: usize, bytes: usize) -> Held {
        if let Some(usual) = bytes.checked_div(pictures) {
            self.guess.store(usual.max(UNIT), Ordering::Relaxed);
        }
        let (have, need) = (held.num_permits(), usize::try_from(self.units_for(bytes)).unwrap_or(self.units));
        if need < have {
            drop(held.split(have - need));
        } else if let Ok(more) = u32::try_from(need - have)
            && let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(more)
        {
            held.merge(more);
        }
        held
    }

    fn units_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).clamp(1, self.units)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_guess_follows_what_pictures_have_been() {
        let memory = PictureMemory::new(4 * 1024 * 1024);
        let held = memory.take(1).await.unwrap();
        assert_eq!(memory.free.available_permits(), 2048);
        let held = memory.correct(held, 1, 100 * 1024);
        assert_eq!(memory.free.available_permits(), 4096 - 100);
        drop(held);
        let next = memory.take(2).await.unwrap();
        assert_eq!(next.num_permits(), 200);
    }

    #[tokio::test]
    async fn a_picture_larger_than_the_whole_memory_gets_in_alone() {
        let memory = PictureMemory::new(1024 * 1024);
        let held = memory.take(1).await.unwrap();
        assert_eq!(memory.free.available_permits(), 0);
        let held = memory.correct(held, 1, 10 * 1024 * 1024);
        drop(held);
        assert_eq!(memory.free.available_permits(), 1024);
    }
}
