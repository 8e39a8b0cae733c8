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
/// The guess rises to a larger picture at once, and falls to a smaller one by this part of what lies between: one small
/// picture must not let many large ones in.
const GUESS_FALL_PART: usize = 8;

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

    /// Corrects a guess to the true number of bytes of the pictures that came; those that did not teach nothing.
    pub(super) fn correct(&self, mut held: Held, pictures: usize, bytes: usize) -> Held {
        if let Some(usual) = bytes.checked_div(pictures) {
            self.learn(usual.max(UNIT));
        }
        let (have, need) = (held.num_permits(), usize::try_from(self.units_for(bytes)).unwrap_or(self.units));
        if need < have {
            drop(held.split(have - need));
        } else if let Ok(more) = u32::try_from((need - have).min(self.free.available_permits()))
            && let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(more)
        {
            held.merge(more);
        }
        held
    }

    fn learn(&self, usual: usize) {
        let guess = self.guess.load(Ordering::Relaxed);
        let next = if usual < guess { guess - (guess - usual).div_ceil(GUESS_FALL_PART) } else { usual };
        // Two at once: either's is as good a guess.
        self.guess.store(next, Ordering::Relaxed);
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
        for _ in 0..100 {
            drop(memory.correct(memory.take(1).await.unwrap(), 1, 100 * 1024));
        }
        let next = memory.take(2).await.unwrap();
        assert_eq!(next.num_permits(), 200);
        drop(memory.correct(next, 2, 4 * 1024 * 1024));
        assert_eq!(memory.take(1).await.unwrap().num_permits(), 2048, "larger ones count at once");
    }

    #[tokio::test]
    async fn one_small_picture_does_not_let_many_large_ones_in() {
        let memory = PictureMemory::new(64 * 1024 * 1024);
        let small = memory.take(1).await.unwrap();
        drop(memory.correct(small, 1, 1));
        assert!(memory.take(1).await.unwrap().num_permits() > 1024);
    }

    #[tokio::test]
    async fn what_is_left_is_taken_when_pictures_are_larger_than_guessed() {
        let memory = PictureMemory::new(4 * 1024 * 1024);
        let held = memory.take(1).await.unwrap();
        let other = Arc::clone(&memory.free).try_acquire_many_owned(1000).unwrap();
        let held = memory.correct(held, 1, 10 * 1024 * 1024);
        assert_eq!((held.num_permits(), memory.free.available_permits()), (3096, 0));
        drop((held, other));
        assert_eq!(memory.free.available_permits(), 4096);
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
