//! The global poll budget: never more than so many calls in any second.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A little more than the second promised: calls reach Evolink with delays that differ, and Evolink counts.
const WINDOW: Duration = Duration::from_millis(1020);

/// Calls a second, batches included.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: usize,
    /// When the calls of the last second were made, oldest first; at most `per_second`.
    made: VecDeque<Instant>,
    /// Nothing before this: Evolink asked for a pause.
    paused_until: Option<Instant>,
}

impl Budget {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = usize::try_from(per_second.max(1)).unwrap_or(usize::MAX);
        Self { per_second, made: VecDeque::new(), paused_until: None }
    }

    /// The time between two calls when they are spread evenly.
    pub(super) fn spacing(&self) -> Duration {
        Duration::from_secs(1) / u32::try_from(self.per_second).unwrap_or(u32::MAX)
    }

    /// When the next call may be made: evenly spread once half of the second's calls are made, so that a burst
    /// never uses up the whole second and leaves everyone else waiting for the next.
    pub(super) fn free_at(&self, now: Instant) -> Instant {
        // Asked at every turn of the watcher's loop, with up to `per_second` calls to look through: they are in order.
        let recent = self.made.len() - self.made.partition_point(|made| *made + WINDOW <= now);
        let by_window = match self.made.front() {
            Some(oldest) if self.made.len() >= self.per_second => *oldest + WINDOW,
            _ => now,
        };
        let by_spacing = match self.made.back() {
            Some(last) if 2 * recent >= self.per_second => *last + self.spacing(),
            _ => now,
        };
        let by_pause = self.paused_until.unwrap_or(now);
        now.max(by_window).max(by_spacing).max(by_pause)
    }

    /// Books a call made now.
    pub(super) fn book(&mut self, now: Instant) {
        if self.made.len() >= self.per_second {
            self.made.pop_front();
        }
        self.made.push_back(now);
    }

    /// No call for so long.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |other| other.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &mut Budget, start: Instant, calls: usize) -> Vec<Duration> {
        let mut now = start;
        (0..calls)
            .map(|_| {
                now = budget.free_at(now);
                budget.book(now);
                now - start
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_ever_has_more_calls_than_allowed() {
        for per_second in [1_u32, 2, 3, 10, 500] {
            let made = spend(&mut Budget::new(per_second), Instant::now(), 2000);
            let allowed = usize::try_from(per_second).unwrap();
            for (later, earlier) in made.iter().skip(allowed).zip(&made) {
                assert!(
                    (*later).checked_sub(*earlier).unwrap() >= WINDOW,
                    "{per_second} a second: {earlier:?} {later:?}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_budget_lets_a_call_through_at_once() {
        let mut budget = Budget::new(10);
        let made = spend(&mut budget, Instant::now(), 5);
        assert!(made.iter().all(Duration::is_zero), "{made:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everything_back() {
        let (mut budget, now) = (Budget::new(10), Instant::now());
        budget.pause(now, Duration::from_secs(7));
        budget.pause(now, Duration::from_secs(2));
        assert_eq!(budget.free_at(now) - now, Duration::from_secs(7));
    }
}
