//! The wall clock, in one place, so that tests can set it. Waiting uses tokio's time, never this.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Where wall-clock time comes from.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Fixed(Arc<AtomicI64>),
    Going {
        from: Timestamp,
        since: Instant,
    },
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `second` (Unix time) until [`Clock::set`] moves it.
    pub fn fixed(second: i64) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(second))))
    }

    /// A clock that shows `from` now and goes on with tokio's time, paused or not.
    pub fn going_from(from: Timestamp) -> Self {
        Self(Source::Going { from, since: Instant::now() })
    }

    /// Moves a fixed clock; no other is moved.
    pub fn set(&self, second: i64) {
        if let Source::Fixed(fixed) = &self.0 {
            fixed.store(second, Ordering::SeqCst);
        }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Fixed(fixed) => {
                Timestamp::from_second(fixed.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
            }
            Source::Going { from, since } => from.saturating_add(since.elapsed()).unwrap_or(Timestamp::MAX),
        }
    }

    /// Now in whole seconds of Unix time.
    pub fn unix(&self) -> i64 {
        self.now().as_second()
    }

    /// Now in milliseconds of Unix time.
    pub fn unix_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// How long ago that millisecond of Unix time was; zero when the clock was set back meanwhile.
    pub fn since_ms(&self, unix_ms: i64) -> Duration {
        let passed = self.unix_ms().saturating_sub(unix_ms);
        Duration::from_millis(u64::try_from(passed).unwrap_or(0))
    }
}
