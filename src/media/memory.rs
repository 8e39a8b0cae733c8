//! The memory that pictures take: one budget for those that answers are written from and for the *hot* ones, which are
//! kept because they were asked for again.
//!
//! Every picture in memory holds its share of the budget until its last holder lets it go ([`Held`]). A place is taken
//! ([`PictureMemory::room`]) before a picture is there, by its length where that is known, else by a guess that follows
//! what pictures have been lately, and is corrected afterwards. Hot pictures give way before anybody waits for room.
//!
//! Nobody waits for room who holds any: an answer takes room for all its pictures at once, and a correction never waits
//! (two answers waiting for each other's memory would wait for ever). So the bound may be passed by what the pictures
//! under way exceed their guess. Knows nothing of generations; `held` is one picture, `hot` what is kept, `turns` who may
//! read or convert.

mod held;
mod hot;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::held::Held;
use self::held::{Owned, units_ready};
use self::hot::Hot;
use self::turns::{Turn, Turns};
use super::convert::{ConvertError, Converter, needs_conversion};
use super::picture::Picture;
use crate::image::{ContentHash, Form};

/// Memory is counted in these units.
const UNIT: usize = 1024;
/// The guess before any picture was seen.
const GUESS_FIRST: usize = 2 * 1024 * 1024;
/// The guess rises to a larger picture at once, and falls to a smaller one by this part of what lies between: one small
/// picture must not let many large ones in.
const GUESS_FALL_PART: usize = 8;
/// Room for pictures under way, however little is to be kept.
const UNDER_WAY_MIN: usize = 64 * 1024 * 1024;
/// Pictures of this length at most are kept with the last answer they stood in, ready to be sent by one call: it takes
/// 2.3 times the memory, and a third of the CPU time off an answer. Larger ones would hold up others while they are
/// encoded in one go.
const READY_FOR_MAX: usize = 8 * 1024 * 1024;
/// This part of the budget is never taken by hot pictures, so that a new one seldom has to drive them out.
const SPARE_PART: usize = 8;

/// The budget and what is kept within it; cheap to clone, clones are the same memory.
#[derive(Debug, Clone)]
pub struct PictureMemory(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    free: Arc<Semaphore>,
    units: usize,
    guess: AtomicUsize,
    hot: Hot,
    turns: Turns,
    ready_for_max: usize,
}

/// What a picture in memory is: stored content as it is, or in a form it was brought into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct HotKey {
    content: ContentHash,
    form: Option<Form>,
}

/// Room for pictures; what is not given to one goes back when it is dropped.
#[derive(Debug)]
pub struct Room {
    memory: PictureMemory,
    permit: Option<OwnedSemaphorePermit>,
}

/// The turn to read some contents; the next ones come when it is dropped.
#[derive(Debug)]
pub struct Reading(#[expect(dead_code, reason = "held for its drop")] Vec<Turn>);

impl PictureMemory {
    /// `bytes` bounds what is in memory, hot and under way; what is under way may have 64 MiB at least.
    pub fn new(bytes: usize) -> Self {
        Self::with(bytes, UNDER_WAY_MIN, READY_FOR_MAX)
    }

    /// With other constants, for tests.
    fn with(bytes: usize, floor: usize, ready_for_max: usize) -> Self {
        let units = (bytes.max(floor) / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let hot_units = (bytes - bytes / SPARE_PART) / UNIT;
        Self(Arc::new(Memory {
            free: Arc::new(Semaphore::new(units)),
            units,
            guess: AtomicUsize::new(GUESS_FIRST),
            hot: Hot::new(hot_units.min(units)),
            turns: Turns::default(),
            ready_for_max,
        }))
    }

    /// What so many pictures of unknown length are likely to take.
    pub fn guess(&self, pictures: usize) -> usize {
        pictures.saturating_mul(self.0.guess.load(Ordering::Relaxed))
    }

    /// Waits for room for so many bytes; however large, they get in alone. For all pictures of an answer at once, and by
    /// nobody who holds any.
    pub async fn room(&self, bytes: usize) -> Room {
        if let Some(room) = self.room_now(bytes) {
            return room;
        }
        let memory = &self.0;
        // From here to the end of the wait nothing becomes hot, and what is hot leaves.
        let _wanted = memory.hot.all_give_way();
        // The semaphore is never closed, so there always is a permit.
        let permit = Arc::clone(&memory.free).acquire_many_owned(self.units_for(bytes)).await.ok();
        Room { memory: self.clone(), permit }
    }

    /// Room for so many bytes if there is some, the hot pictures that nobody reads being driven out for it.
    pub fn room_now(&self, bytes: usize) -> Option<Room> {
        let permit = self.take_now(self.units_for(bytes))?;
        Some(Room { memory: self.clone(), permit: Some(permit) })
    }

    fn take_now(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        let Memory { free, hot, .. } = &*self.0;
        let wanted = usize::try_from(units).unwrap_or(usize::MAX);
        let missing = wanted.saturating_sub(free.available_permits());
        if missing > 0 {
            hot.give_way(missing);
        }
        Arc::clone(free).try_acquire_many_owned(units).ok()
    }

    /// The stored content if it is hot.
    pub fn hot(&self, content: &ContentHash) -> Option<Held> {
        self.0.hot.get(&HotKey { content: *content, form: None })
    }

    /// Whether the store is to hear that hot content is used: now and then, so that it does not take what is read from
    /// here only for unused.
    pub fn use_is_due(&self, content: &ContentHash) -> bool {
        self.0.hot.use_is_due(&HotKey { content: *content, form: None })
    }

    /// The store has the content no more: it is not kept here either.
    pub fn forget(&self, content: &ContentHash) {
        self.0.hot.forget(&HotKey { content: *content, form: None });
    }

    /// Keeps a picture that was asked for again, as long as nobody waits for room.
    pub fn keep(&self, held: &Held) {
        if let Some(key) = held.key() {
            self.0.hot.keep(key, held);
        }
    }

    /// Waits for the turn to read these contents, so that each is read once however many ask for it at a time. Look for
    /// them again then: who had the turn before may have read them.
    pub async fn reading(&self, mut contents: Vec<ContentHash>) -> Reading {
        // In one order for all, so that no two wait for each other.
        contents.sort_unstable();
        contents.dedup();
        let mut turns = Vec::with_capacity(contents.len());
        for content in contents {
            turns.push(self.turn(HotKey { content, form: None }).await);
        }
        Reading(turns)
    }

    /// The picture in the asked form. Of content that was asked for again each form is made once, and kept.
    ///
    /// # Errors
    /// It cannot be converted.
    pub async fn formed(
        &self,
        picture: &Held,
        form: Form,
        converter: &Converter,
    ) -> Result<Held, ConvertError> {
        if !needs_conversion(picture, form) {
            return Ok(picture.clone());
        }
        let Some(HotKey { content, form: None }) = picture.key() else {
            let made = converter.convert(picture, form).await?;
            return Ok(self.hold_what_is_made(made, None));
        };
        let key = HotKey { content, form: Some(form) };
        if let Some(hot) = self.0.hot.get(&key) {
            return Ok(hot);
        }
        let _turn = self.turn(key).await;
        if let Some(hot) = self.0.hot.get(&key) {
            return Ok(hot);
        }
        let made = converter.convert(picture, form).await?;
        let made = self.hold_what_is_made(made, Some(key));
        self.keep(&made);
        Ok(made)
    }

    /// Bytes of the hot pictures.
    pub fn hot_bytes(&self) -> u64 {
        u64::try_from(self.0.hot.units().saturating_mul(UNIT)).unwrap_or(u64::MAX)
    }

    /// It is there already, and its maker holds the original: it takes what room there is.
    fn hold_what_is_made(&self, picture: Picture, key: Option<HotKey>) -> Held {
        let mut room = Room { memory: self.clone(), permit: None };
        room.cover(units(picture.bytes().len()));
        room.hold_as(picture, key)
    }

    async fn turn(&self, key: HotKey) -> Turn {
        self.0.turns.of(self, key).await
    }

    fn learn(&self, usual: usize) {
        let guess = self.0.guess.load(Ordering::Relaxed);
        let next = if usual < guess { guess - (guess - usual).div_ceil(GUESS_FALL_PART) } else { usual };
        // Two at once: either's is as good a guess.
        self.0.guess.store(next, Ordering::Relaxed);
    }

    fn units_for(&self, bytes: usize) -> u32 {
        u32::try_from(units(bytes).min(self.0.units)).unwrap_or(u32::MAX)
    }
}

impl Room {
    /// Corrects a guess to the true lengths of the pictures that came, and learns from them.
    pub fn settle(&mut self, lengths: &[usize]) {
        if let Some(usual) = lengths.iter().sum::<usize>().checked_div(lengths.len()) {
            self.memory.learn(usual.max(UNIT));
        }
        let need = lengths.iter().copied().map(units).sum();
        let have = self.units();
        if need < have {
            self.permit.as_mut().and_then(|permit| permit.split(have - need));
        } else {
            self.cover(need);
        }
    }

    fn units(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Grows to so many units, as far as there are some. Whether it has them now.
    fn cover(&mut self, need: usize) -> bool {
        let memory = &self.memory;
        let Some(more) = need.min(memory.0.units).checked_sub(self.units()) else { return true };
        memory.0.hot.give_way(more.saturating_sub(memory.0.free.available_permits()));
        if let Ok(more) = u32::try_from(more.min(memory.0.free.available_permits()))
            && let Ok(more) = Arc::clone(&memory.0.free).try_acquire_many_owned(more)
        {
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        self.units() >= need
    }

    /// Gives the picture its share. `content`: what it is in the store, if it is asked for again.
    pub fn hold(&mut self, picture: Picture, content: Option<ContentHash>) -> Held {
        self.hold_as(picture, content.map(|content| HotKey { content, form: None }))
    }

    fn hold_as(&mut self, picture: Picture, key: Option<HotKey>) -> Held {
        let (plain, ready) = (units(picture.bytes().len()), units_ready(&picture));
        let keeps = key.is_some()
            && picture.bytes().len() <= self.memory.0.ready_for_max
            && self.memory.0.hot.could_keep(ready)
            && self.cover(self.units() + ready - plain);
        let share = self.permit.as_mut().and_then(|permit| {
            let units = if keeps { ready } else { plain };
            permit.split(units.min(permit.num_permits()))
        });
        let ready = keeps.then(Mutex::default);
        Owned { picture, key, ready, _share: share }.into()
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

#[cfg(test)]
mod tests;
