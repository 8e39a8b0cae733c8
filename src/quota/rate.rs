//! A rate limit: a bucket that holds a minute's worth and fills evenly.
//!
//! Whoever takes must first ask ([`Bucket::wait`]), so that several limits can all be asked before any is taken from:
//! a rejected request eats nothing. Exact in integers; a changed limit holds at once, with what was used kept. Pure:
//! time is the caller's.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);
/// What is used is counted in these parts of one.
const PARTS: u128 = MINUTE.as_nanos();

/// What was used of a limit per minute and has not come back yet. The limit itself is told with each call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    /// In [`PARTS`] of one, at `at`.
    used: u128,
    at: Option<Instant>,
}

/// What was taken at once: it comes back once all that was used before it, and itself, has flowed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    at: Instant,
    /// In [`PARTS`] of one.
    own: u128,
    /// All that was used then, this included.
    used: u128,
}

impl Bucket {
    /// How long to wait until `count` can be taken; zero: now. None: never, since the limit is below `count`.
    pub fn wait(&self, count: u32, per_minute: u32, now: Instant) -> Option<Duration> {
        if count > per_minute {
            return None;
        }
        let room = u128::from(per_minute) * PARTS;
        let over = (self.owed(per_minute, now) + u128::from(count) * PARTS).saturating_sub(room);
        Some(time(over, per_minute))
    }

    /// Takes them, whether or not there is room.
    pub fn take(&mut self, count: u32, per_minute: u32, now: Instant) -> Taken {
        let own = u128::from(count) * PARTS;
        self.used = self.used(per_minute, now) + own;
        self.at = Some(now);
        Taken { at: now, own, used: self.used }
    }

    /// Puts back what was taken for nothing, as far as it has not come back by itself: else those who are refused late
    /// would make room for more than the limit.
    pub fn give_back(&mut self, taken: Taken, per_minute: u32, now: Instant) {
        let since = now.saturating_duration_since(taken.at);
        let out = taken.used.saturating_sub(since.as_nanos() * u128::from(per_minute)).min(taken.own);
        self.used = self.used(per_minute, now).saturating_sub(out);
        self.at = Some(now);
    }

    /// Whether all of it is there again, whatever the limit.
    pub fn is_full(&self, now: Instant) -> bool {
        // A limit of one brings one back in a minute.
        self.at.is_none_or(|at| self.used <= now.saturating_duration_since(at).as_nanos())
    }

    /// Whole ones that can be taken now.
    pub fn left(&self, per_minute: u32, now: Instant) -> u32 {
        let room = u128::from(per_minute) * PARTS;
        let left = room.saturating_sub(self.owed(per_minute, now)) / PARTS;
        u32::try_from(left).unwrap_or(per_minute)
    }

    /// Until all of it is there again.
    pub fn reset(&self, per_minute: u32, now: Instant) -> Duration {
        time(self.owed(per_minute, now), per_minute)
    }

    /// What is used, as far as it keeps others out: after a limit was lowered all is there again within a minute, too.
    fn owed(&self, per_minute: u32, now: Instant) -> u128 {
        let used = self.used.min(u128::from(per_minute) * PARTS);
        Self { used, at: self.at }.used(per_minute, now)
    }

    fn used(&self, per_minute: u32, now: Instant) -> u128 {
        let since = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // One in `MINUTE / per_minute`, thus `per_minute` parts in a nanosecond.
        self.used.saturating_sub(since.as_nanos() * u128::from(per_minute))
    }
}

/// In which so many parts come back; rounded up, so that whoever waits it out finds room.
fn time(parts: u128, per_minute: u32) -> Duration {
    match u64::try_from(parts.div_ceil(u128::from(per_minute.max(1)))) {
        Ok(nanos) => Duration::from_nanos(nanos),
        Err(_) => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_minutes_worth_can_be_taken_at_once_and_comes_back_evenly() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        for _ in 0..60 {
            assert_eq!(bucket.wait(1, 60, now), Some(Duration::ZERO));
            bucket.take(1, 60, now);
        }
        assert_eq!(bucket.wait(1, 60, now), Some(Duration::from_secs(1)));
        assert_eq!(bucket.wait(5, 60, now), Some(Duration::from_secs(5)));
        assert_eq!((bucket.left(60, now), bucket.reset(60, now)), (0, MINUTE));
        let later = now + Duration::from_millis(2500);
        assert_eq!((bucket.left(60, later), bucket.wait(2, 60, later)), (2, Some(Duration::ZERO)));
        assert_eq!(bucket.left(60, now + MINUTE), 60);
    }

    #[test]
    fn more_than_the_limit_never_fits() {
        assert_eq!(Bucket::default().wait(5, 4, Instant::now()), None);
        assert_eq!(Bucket::default().wait(1, 0, Instant::now()), None);
    }

    #[test]
    fn what_is_given_back_late_has_come_back_by_itself() {
        let now = Instant::now();
        let left_after = |pause| {
            let mut bucket = Bucket::default();
            bucket.take(30, 60, now);
            let taken = bucket.take(10, 60, now);
            let later = now + Duration::from_secs(pause);
            bucket.take(20, 60, later);
            bucket.give_back(taken, 60, later);
            bucket.left(60, later)
        };
        // What was taken before it, 30, comes back first.
        assert_eq!([left_after(0), left_after(30), left_after(35), left_after(40)], [10, 40, 40, 40]);
    }

    #[test]
    fn a_changed_limit_holds_at_once_and_what_was_used_stays_used() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        bucket.take(10, 10, now);
        assert_eq!((bucket.left(10, now), bucket.left(25, now), bucket.left(5, now)), (0, 15, 0));
    }

    #[test]
    fn a_lowered_limit_is_there_again_within_a_minute() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        bucket.take(60, 60, now);
        assert_eq!((bucket.wait(1, 1, now), bucket.reset(1, now)), (Some(MINUTE), MINUTE));
        assert_eq!((bucket.left(2, now + MINUTE / 2), bucket.left(60, now)), (1, 0));
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_two_minutes_worth_and_a_wait_waited_out_is_enough(
            limit in 1_u32..200,
            steps in proptest::collection::vec((0_u64..5_000, 1_u32..8), 1..200),
        ) {
            let (mut bucket, mut now) = (Bucket::default(), Instant::now());
            let mut taken: Vec<(Instant, u32)> = Vec::new();
            for (millis, count) in steps {
                now += Duration::from_millis(millis);
                let Some(wait) = bucket.wait(count, limit, now) else { continue };
                prop_assert_eq!(bucket.wait(count, limit, now + wait), Some(Duration::ZERO));
                prop_assert_eq!(wait.is_zero(), bucket.left(limit, now) >= count);
                if wait.is_zero() {
                    bucket.take(count, limit, now);
                    taken.push((now, count));
                }
            }
            // From a full bucket: its content, and what flows in.
            let first = taken.first().map(|(at, _)| *at);
            let all: u64 = taken.iter().map(|(_, count)| u64::from(*count)).sum();
            if let Some(first) = first {
                let span = taken.last().map_or(Duration::ZERO, |(at, _)| at.duration_since(first));
                let most = u128::from(limit) * (MINUTE + span).as_nanos();
                prop_assert!(u128::from(all) * PARTS <= most, "{all} in {span:?}");
            }
        }
    }
}
