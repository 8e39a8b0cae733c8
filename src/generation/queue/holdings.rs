//! How long places have been held lately: what the length of the line means in time.

use std::collections::VecDeque;
use std::time::Duration;

/// The latest that are remembered.
const LATEST: usize = 64;
/// With fewer nothing is foretold.
const LEAST: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Holdings {
    latest: VecDeque<Duration>,
    usual: Option<Duration>,
}

impl Holdings {
    pub(super) fn note(&mut self, held: Duration) {
        if self.latest.len() >= LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(held);
        self.usual = self.mean_of_the_shorter();
    }

    /// The mean of the latest but the longest quarter, so that a few slow tasks send nobody away; none while too little
    /// is known.
    pub(super) const fn usual(&self) -> Option<Duration> {
        self.usual
    }

    fn mean_of_the_shorter(&self) -> Option<Duration> {
        if self.latest.len() < LEAST {
            return None;
        }
        let mut sorted: Vec<_> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        sorted.truncate(sorted.len() - sorted.len() / 4);
        let count = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
        sorted.into_iter().fold(Duration::ZERO, Duration::saturating_add).checked_div(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_slow_ones_do_not_count_and_too_few_tell_nothing() {
        let mut holdings = Holdings::default();
        for _ in 0..LEAST - 1 {
            holdings.note(Duration::from_secs(10));
        }
        assert_eq!(holdings.usual(), None);
        holdings.note(Duration::from_mins(15));
        assert_eq!(holdings.usual(), Some(Duration::from_secs(10)));
        for _ in 0..LATEST {
            holdings.note(Duration::from_secs(20));
        }
        assert_eq!(holdings.usual(), Some(Duration::from_secs(20)), "what was long ago is forgotten");
    }
}
