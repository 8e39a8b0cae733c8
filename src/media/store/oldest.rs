//! The pictures that have gone unused longest, out of all that a round of the sweep meets, in bounded memory.

use std::collections::BinaryHeap;
use std::time::SystemTime;

use super::layout::Place;

/// Pictures remembered in one round: some 1.5 MB. What a store has to lose beyond them goes in the next round.
pub(super) const CANDIDATES_MAX: usize = 16_384;

/// A picture that may have to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Last put or read, as it was met. If it is younger by now, it stays.
    pub(super) used: SystemTime,
    pub(super) place: Place,
    pub(super) bytes: u64,
}

/// The oldest so far; the youngest of them on top.
#[derive(Debug)]
pub(super) struct Oldest {
    heap: BinaryHeap<Candidate>,
    max: usize,
}

impl Oldest {
    pub(super) fn of(max: usize) -> Self {
        Self { heap: BinaryHeap::new(), max }
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.heap.len() < self.max {
            self.heap.push(candidate);
        } else if let Some(mut youngest) = self.heap.peek_mut()
            && candidate < *youngest
        {
            *youngest = candidate;
        }
    }

    /// All of them, the oldest first, and begins anew.
    pub(super) fn take(&mut self) -> Vec<Candidate> {
        std::mem::take(&mut self.heap).into_sorted_vec()
    }
}

impl Default for Oldest {
    fn default() -> Self {
        Self::of(CANDIDATES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::image::{ContentHash, Format};

    fn candidate(second: u64, bytes: u64) -> Candidate {
        let place = Place { content: ContentHash::of(&bytes.to_le_bytes()), format: Format::Png };
        Candidate { used: SystemTime::UNIX_EPOCH + Duration::from_secs(second), place, bytes }
    }

    proptest! {
        #[test]
        fn the_oldest_are_those_a_sort_would_find(
            seconds in proptest::collection::vec(0_u64..50, 0..60),
            max in 1_usize..20,
        ) {
            let all: Vec<_> = seconds.iter().zip(0..).map(|(second, at)| candidate(*second, at)).collect();
            let mut oldest = Oldest::of(max);
            for candidate in &all {
                oldest.offer(*candidate);
            }
            let mut sorted = all;
            sorted.sort_unstable();
            sorted.truncate(max);
            prop_assert_eq!(oldest.take(), sorted);
            prop_assert!(oldest.take().is_empty());
        }
    }
}
