//! Pace and breaker for creates: when Evolink asks for a pause, or fails again and again, nobody knocks for a while.
//!
//! A 429 pauses all creates for as long as it asks. [`FAILURES_TO_OPEN`] failures in a row open the breaker: creates
//! are refused without being sent, nothing is bought, and callers learn when to come back. After its pause one create
//! goes through as the probe; its answer closes the breaker, its failure opens it for longer. Once closed, creates come
//! back step by step, so that an upstream that has just recovered is not run down by all who waited.
//!
//! Sends nothing and waits for nothing: the caller asks [`Breaker::admit`] before each try of a create, and tells the
//! [`Permit`] how it went. `machine` has the states.

mod machine;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

pub use self::machine::FAILURES_TO_OPEN;
use self::machine::{Machine, Ticket};
use super::{CallError, Task};

/// The breaker for one Evolink account. Cheap to clone; clones are the same breaker.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<Mutex<Machine>>);

/// Whether a create may be sent now.
#[derive(Debug)]
#[must_use = "an admission that is dropped gives its place away"]
pub enum Admission {
    /// Yes; the permit wants to be told how it went.
    Admitted(Permit),
    /// No, and nothing was sent.
    Refused(Refused),
}

/// A create that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// When to ask again: more than nothing, at most 61 s. Differs a little from caller to caller, where all would
    /// otherwise come at once. No promise: another may be faster.
    pub retry_after: Duration,
    pub reason: Reason,
}

/// Why a create was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Evolink asked for a pause.
    Paused,
    /// Evolink failed too often.
    Open,
    /// One create is out to find out whether Evolink is back.
    Probing,
    /// Evolink is back, and as many creates are out as it is trusted with for now.
    RampingUp,
}

/// How a try of a create went, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Evolink works: it took the create, or refused just this one.
    Answered,
    /// 429, with Evolink's `Retry-After`.
    Busy { retry_after: Option<Duration> },
    /// No connection, no whole answer in time, 5xx, or an answer that makes no sense.
    Failed { retry_after: Option<Duration> },
    /// The caller went away before it knew.
    Unknown,
}

impl Report {
    /// What the outcome of a try means here. Refusals count as answers, those of the account too: they have an error
    /// of their own, and whoever is told "unavailable" instead would wait for what no waiting mends.
    pub const fn of(outcome: &Result<Task, CallError>) -> Self {
        match outcome {
            Ok(_)
            | Err(
                CallError::Open | CallError::Refused { .. } | CallError::Missing | CallError::TaskNotFound,
            ) => Self::Answered,
            Err(CallError::Busy { retry_after }) => Self::Busy { retry_after: *retry_after },
            Err(CallError::Down { retry_after, .. }) => Self::Failed { retry_after: *retry_after },
            Err(
                CallError::Connect(_)
                | CallError::Broken(_)
                | CallError::Timeout
                | CallError::Malformed { .. },
            ) => Self::Failed { retry_after: None },
        }
    }
}

/// The breaker's three states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Creates go through.
    Closed,
    /// Creates are refused.
    Open,
    /// The pause is over: the next create is the probe, or it is out already.
    HalfOpen,
}

impl BreakerState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The breaker at one moment, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSnapshot {
    pub state: BreakerState,
    /// Until a probe may be sent; only while open.
    pub open_until: Option<Instant>,
    /// Until when Evolink asked for quiet; only while that lasts.
    pub paused_until: Option<Instant>,
    /// Since the last answer.
    pub consecutive_failures: u32,
    /// Creates that may be out at once while it is closed but not yet trusted again.
    pub ramp_limit: Option<u32>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker.
    pub fn new() -> Self {
        Self::with_random(StdRng::from_rng(&mut rand::rng()))
    }

    /// With a source of chance of the caller's choice, so that a simulated run can be repeated.
    pub fn with_random(random: StdRng) -> Self {
        Self(Arc::new(Mutex::new(Machine::new(random))))
    }

    /// Asks for leave to send one try of one create.
    pub fn admit(&self, now: Instant) -> Admission {
        match self.machine().admit(now) {
            Ok(ticket) => Admission::Admitted(Permit { breaker: self.clone(), ticket: Some(ticket) }),
            Err(refused) => Admission::Refused(refused),
        }
    }

    pub fn snapshot(&self, now: Instant) -> BreakerSnapshot {
        self.machine().snapshot(now)
    }

    /// Nothing in the machine can panic half-way through a change, so a poisoned lock still guards a sound one.
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to send one try of one create. Dropped untold, for example because its caller was cancelled, it counts as
/// [`Report::Unknown`]: a probe's place is free again at once.
#[derive(Debug)]
#[must_use = "the breaker wants to know how the create went"]
pub struct Permit {
    breaker: Breaker,
    /// Taken when told.
    ticket: Option<Ticket>,
}

impl Permit {
    /// Whether this is the one create that finds out whether Evolink is back.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.probe)
    }

    /// Tells how the try went.
    pub fn report(mut self, report: Report, now: Instant) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.machine().report(ticket, report, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.machine().abandon(ticket);
        }
    }
}

#[cfg(test)]
mod tests;
