//! The simulator's time: tokio's clock (which tests pause), anchored once to the wall clock.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;

/// When the simulator started, on both clocks.
#[derive(Debug)]
pub(super) struct Epoch {
    started: Instant,
    wall: Timestamp,
}

impl Epoch {
    /// Now.
    pub fn begin(clock: &Clock) -> Self {
        Self { started: Instant::now(), wall: clock.now() }
    }

    /// Milliseconds from the start to a moment.
    pub fn ms(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.started).as_secs_f64() * 1e3
    }

    /// Unix time of a moment in milliseconds.
    pub fn unix_ms(&self, moment: Instant) -> f64 {
        self.wall.as_duration().as_secs_f64() * 1e3 + self.ms(moment)
    }

    /// Wall-clock time of a moment.
    pub fn wall(&self, moment: Instant) -> Timestamp {
        let passed = SignedDuration::try_from(moment.saturating_duration_since(self.started));
        passed.ok().and_then(|passed| self.wall.checked_add(passed).ok()).unwrap_or(Timestamp::MAX)
    }
}
