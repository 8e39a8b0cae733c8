//! The wall clock, in one place, so that tests can set it. Waiting uses tokio's time, never this.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where wall-clock time comes from.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `second` (Unix time) until [`Clock::set`] moves it.
    pub fn fixed(second: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(second))))
    }

    /// Moves a fixed clock; the system's is not moved.
    pub fn set(&self, second: i64) {
        if let Some(fixed) = &self.0 {
            fixed.store(second, Ordering::SeqCst);
        }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(fixed) => Timestamp::from_second(fixed.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX),
        }
    }

    /// Now in whole seconds of Unix time.
    pub fn unix(&self) -> i64 {
        self.now().as_second()
    }
}
