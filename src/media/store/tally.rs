//! How much the store holds, as far as this process knows, and whether that is more than it may.
//!
//! There is no index: each round of the sweep looks at everything and counts it, and what comes and goes meanwhile is
//! added. Other processes may use the same store, so that a count is right when its round ends, and a good guess until
//! the next one has ended. Pictures are removed for room after a fresh count only.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::layout::Place;

/// A store that is too full is emptied to so many hundredths of its bound, so that it is not swept for every picture.
const EMPTIED_TO_PERCENT: u64 = 90;

#[derive(Debug)]
pub(super) struct Tally {
    max_bytes: u64,
    books: Mutex<Books>,
    pressed: Notify,
}

#[derive(Debug, Default)]
struct Books {
    /// Of the last round, and what came and went since; unknown until the first round has ended.
    held: Option<u64>,
    /// Of the round under way.
    counted: u64,
    /// The bays before this one are counted.
    reached: u32,
}

impl Tally {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, books: Mutex::default(), pressed: Notify::new() }
    }

    /// The most the store may hold.
    pub(super) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(super) fn held(&self) -> Option<u64> {
        self.books().held
    }

    /// A picture has come that was not there.
    pub(super) fn came(&self, place: Place, bytes: u64) {
        let mut books = self.books();
        if u32::from(place.bay()) < books.reached {
            books.counted = books.counted.saturating_add(bytes);
        }
        books.held = books.held.map(|held| held.saturating_add(bytes));
        if books.held.is_some_and(|held| held > self.max_bytes) {
            self.pressed.notify_one();
        }
    }

    pub(super) fn went(&self, place: Place, bytes: u64) {
        let mut books = self.books();
        if u32::from(place.bay()) < books.reached {
            books.counted = books.counted.saturating_sub(bytes);
        }
        books.held = books.held.map(|held| held.saturating_sub(bytes));
    }

    /// The round has counted the bays before this one.
    pub(super) fn reach(&self, bay: u32) {
        self.books().reached = bay;
    }

    /// The round has met so many bytes.
    pub(super) fn count(&self, bytes: u64) {
        let mut books = self.books();
        books.counted = books.counted.saturating_add(bytes);
    }

    /// The round has ended: what it counted is what the store holds. Tells how many bytes have to go.
    pub(super) fn end_round(&self) -> u64 {
        let mut books = self.books();
        let held = books.counted;
        *books = Books { held: Some(held), ..Books::default() };
        if held <= self.max_bytes {
            return 0;
        }
        let emptied = u128::from(self.max_bytes) * u128::from(EMPTIED_TO_PERCENT) / 100;
        held - u64::try_from(emptied).unwrap_or(self.max_bytes)
    }

    pub(super) fn is_too_much(&self) -> bool {
        self.held().is_some_and(|held| held > self.max_bytes)
    }

    /// Waits until a picture has come that is too much.
    pub(super) async fn pressed(&self) {
        self.pressed.notified().await;
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ContentHash, Format};

    fn place(bay: u8) -> Place {
        let mut bytes = [0; 32];
        bytes[0] = bay;
        Place { content: ContentHash::from_bytes(bytes), format: Format::Png }
    }

    #[test]
    fn nothing_is_known_before_the_first_round_has_ended() {
        let tally = Tally::new(100);
        tally.came(place(9), 500);
        assert_eq!((tally.held(), tally.is_too_much()), (None, false));
        assert_eq!(tally.end_round(), 0, "what came behind the round's place is for the round to meet");
        assert_eq!(tally.held(), Some(0));
    }

    #[test]
    fn what_comes_and_goes_during_a_round_is_counted_once() {
        let tally = Tally::new(1000);
        tally.count(10);
        tally.reach(place(5).bay().into());
        tally.came(place(4), 100); // the round has passed it
        tally.came(place(6), 200); // the round will meet it
        tally.count(200);
        tally.went(place(4), 10);
        tally.end_round();
        assert_eq!(tally.held(), Some(300));
        tally.came(place(0), 50);
        tally.went(place(6), 200);
        assert_eq!(tally.held(), Some(150));
    }

    #[tokio::test]
    async fn a_store_past_its_bound_is_told_and_emptied_below_it() {
        let tally = Tally::new(1000);
        tally.count(1000);
        assert_eq!(tally.end_round(), 0, "just as full as it may be");
        tally.came(place(1), 1);
        tally.pressed().await;
        assert!(tally.is_too_much());
        tally.count(1200);
        assert_eq!(tally.end_round(), 300);
        assert_eq!(Tally::new(u64::MAX).end_round(), 0);
    }
}
