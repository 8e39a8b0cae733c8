//! Which answers a request shares with others: its own rules, and what an end is good for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::booking::Booking;
use super::model::{Finished, Generation, Owner};
use crate::fault::{Fault, FaultKind, wording};
use crate::image::Plan;
use crate::media::InputFile;
use crate::money::Credits;
use crate::quota::CallerLimits;

/// A client's own name for one thing it wants to have once (`Idempotency-Key`): 1 to 255 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// None when it is empty, longer, or has characters that are not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        ((1..=255).contains(&text.len()) && printable).then(|| Self(text.into()))
    }

    /// One that was written down before.
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request wants.
#[derive(Clone)]
pub struct Wish {
    pub plan: Arc<Plan>,
    pub owner: Owner,
    /// The pictures that came with the request; who joins needs none.
    pub inputs: Vec<InputFile>,
    pub reuse: Reuse,
    /// Those of its caller.
    pub limits: CallerLimits,
    /// What is to be held for one image.
    pub price: Credits,
}

/// Which answers a request takes, and who may take its own.
#[derive(Debug, Clone, Default)]
pub struct Reuse {
    pub sharing: Sharing,
    /// Only what is there already; nothing is begun, and nothing under way is waited for but what has the same
    /// idempotency key (`only-if-cached`).
    pub only_if_cached: bool,
    /// The client repeats by itself a request that it gave up.
    pub automatic_retry: bool,
    pub idempotency_key: Option<IdempotencyKey>,
}

/// With whom a request shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// With its whole team, or with all that share: it takes the result that the cache has, if it is not older than
    /// `max_age`, and joins what its team has under way.
    Shared { max_age: Option<Duration> },
    /// It buys its own, which later requests may share; only what was bought for the same key and reached nobody is
    /// taken first.
    Own,
    /// Likewise, and nobody shares it but repetitions of its own kind.
    Private,
}

impl Default for Sharing {
    fn default() -> Self {
        Self::Shared { max_age: None }
    }
}

/// How a request came to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It began it.
    First,
    /// It found it under way, or as one that had reached nobody.
    Joined,
    /// The generation had ended so long ago, and answers for so long from now on. `foreign`: it is another team's.
    Hit { age: Duration, left: Duration, foreign: bool },
}

/// The same key, and another request.
pub(super) fn conflict(key: &IdempotencyKey) -> Fault {
    let message = format!(
        "The Idempotency-Key {} was used for another request. Use a new key for a new request.",
        wording::quote(key.as_str())
    );
    Fault::new(FaultKind::IdempotencyConflict, message)
}

/// `only-if-cached`, and nothing is.
pub(super) fn nothing_cached() -> Fault {
    let message =
        "No finished answer to this request is kept here. Send it without `only-if-cached` to have it made.";
    Fault::new(FaultKind::CacheMiss, message)
}

impl Generation {
    pub(super) fn booked(mut self, booking: Booking) -> Self {
        self.booking = booking;
        self
    }

    /// Under the client's own name for it, and kept to its own client where it is `private`.
    pub(super) fn kept_to(mut self, idempotency_key: Option<IdempotencyKey>, private: bool) -> Self {
        (self.idempotency_key, self.private) = (idempotency_key, private);
        self
    }

    /// What the request that began it called it.
    pub(super) fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    /// Its pictures can no longer be had: it answers no further request.
    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }

    /// It has ended, and a repetition gets that end. A failure that was asked for here (what nobody wanted any more was
    /// cancelled) is nobody's answer.
    pub(super) fn is_answer(&self, finished: &Finished) -> bool {
        finished.answers_a_repetition() && !(finished.failure().is_some() && self.audience.is_cancelled())
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Relaxed)
    }
}

impl Finished {
    /// All its images are made.
    pub(super) fn is_whole(&self) -> bool {
        !self.images.is_empty() && self.images.iter().all(Result::is_ok)
    }

    /// The client's own doing or upstream's last word: asking again would give the same.
    pub(super) fn is_final_failure(&self) -> bool {
        self.failure().is_some_and(|fault| {
            matches!(
                fault.kind(),
                FaultKind::TaskFailed
                    | FaultKind::Moderation
                    | FaultKind::InvalidValue
                    | FaultKind::InvalidImage
                    | FaultKind::TooLarge
            )
        })
    }

    /// Something was bought, or may have been, that no client has.
    fn is_paid_without_pictures(&self) -> bool {
        self.failure().is_some_and(|fault| {
            matches!(
                fault.kind(),
                FaultKind::ResultUnavailable | FaultKind::OutcomeUnknown | FaultKind::TaskTimeout
            )
        })
    }

    /// A repetition gets it, whose request reached nobody. Other failures tell of their moment only: nothing was
    /// bought, and it is to be tried anew.
    pub(super) fn answers_a_repetition(&self) -> bool {
        self.failure().is_none() || self.is_final_failure() || self.is_paid_without_pictures()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::model::Timing;

    #[test]
    fn a_key_has_1_to_255_printable_characters() {
        let taken = |text: &str| IdempotencyKey::new(text).is_some();
        assert!(taken("a") && taken("order 7: ~fox~") && taken(&"k".repeat(255)));
        assert!(!taken("") && !taken(&"k".repeat(256)) && !taken("a\tb") && !taken("f\u{fc}chse"));
    }

    #[test]
    fn a_verdict_is_final_and_what_tells_of_a_moment_is_not() {
        let ended = |fault| Finished { created: 0, images: vec![Err(fault)], timing: Timing::default() };
        for kind in FaultKind::ALL {
            let last_word = matches!(
                kind,
                FaultKind::TaskFailed
                    | FaultKind::Moderation
                    | FaultKind::InvalidValue
                    | FaultKind::InvalidImage
                    | FaultKind::TooLarge
            );
            assert_eq!(ended(Fault::new(kind, "no")).is_final_failure(), last_word, "{kind:?}");
        }
    }
}
