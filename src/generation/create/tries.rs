//! How often and for how long one create is tried.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::super::Options;
use super::super::purchase::Purchase;
use super::{Reason, Uncreated};
use crate::evolink::breaker::Refused;
use crate::evolink::{CallError, Proof, Refusal, create_fault, unavailable};

/// Longest wait for the answer to one try.
const TRY_MAX: Duration = Duration::from_secs(10);
/// However little patience there is for a doubt, one try has the time of a usual create: a try cut short would only
/// make the doubt that it was meant to bound.
const TRY_MIN: Duration = Duration::from_secs(1);
/// How long an upstream that cannot even be reached is tried.
const UNREACHABLE_PATIENCE: Duration = Duration::from_secs(5);
/// Evolink knows the key, and another body with it.
const IDEMPOTENCY_CONFLICT: &str = "idempotency_conflict";
/// The first pause between tries; doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause while a client waits, and after it was told.
const PAUSE_MAX: Duration = Duration::from_secs(4);
const PAUSE_MAX_IN_DOUBT: Duration = Duration::from_mins(1);
/// Those whom upstream has asked to wait come back within so long after it.
const PAUSE_SPREAD: Duration = Duration::from_secs(1);

/// What to do after a try that brought no task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    GiveUp,
    Again { pause: Duration, in_doubt: bool },
}

/// The tries of one create so far.
pub(super) struct Tries {
    began: Instant,
    patience: Duration,
    /// How long a create that may have been taken is repeated with its key.
    window: Duration,
    count: u32,
    /// A try whose request may have been taken: from then on nothing but its outcome, or the window's end, ends this.
    maybe_bought: bool,
}

impl Tries {
    pub(super) fn of(purchase: &Purchase, options: &Options) -> Self {
        // Upstream would take a repetition for another create: there is no time for one.
        let window = if options.idempotent_creates { options.idempotency_window } else { Duration::ZERO };
        Self {
            began: purchase.begun,
            patience: options.create_patience,
            window,
            count: 0,
            maybe_bought: purchase.taken_up,
        }
    }

    pub(super) fn maybe_bought(&self) -> bool {
        self.maybe_bought
    }

    pub(super) fn may_not_be_repeated(&self) -> bool {
        self.maybe_bought && self.began.elapsed() >= self.window
    }

    pub(super) fn time_for_one(&self) -> Duration {
        (self.patience / 2).clamp(TRY_MIN, TRY_MAX)
    }

    pub(super) fn after(&mut self, error: &CallError) -> Next {
        self.maybe_bought |= error.proof() == Proof::Unknown;
        let pause = self.pause(error);
        self.count = self.count.saturating_add(1);
        let spent = self.began.elapsed() + pause;
        if self.is_final(error) || spent >= self.limit(error) {
            return Next::GiveUp;
        }
        Next::Again { pause, in_doubt: self.maybe_bought && spent >= self.patience }
    }

    /// The breaker let no try through. What was never sent waits within its patience, but not for an upstream that is
    /// down.
    pub(super) fn refused(&self, refused: Refused) -> Next {
        let pause = refused.retry_after;
        let spent = self.began.elapsed() + pause;
        let limit = match refused.reason {
            _ if self.maybe_bought => self.window,
            Reason::Open => Duration::ZERO,
            Reason::Paused | Reason::Probing | Reason::RampingUp => self.patience,
        };
        if spent >= limit {
            return Next::GiveUp;
        }
        Next::Again { pause, in_doubt: self.maybe_bought && spent >= self.patience }
    }

    /// A refusal of the request itself: asking again would bring the same. One of the account or its models tells of
    /// this moment only, and a conflict of its key that it was taken.
    fn is_final(&self, error: &CallError) -> bool {
        match error {
            CallError::Refused { refusal: Refusal::Account | Refusal::Model, .. }
            | CallError::Missing
            | CallError::TaskNotFound => !self.maybe_bought,
            CallError::Refused { code, .. } if code == IDEMPOTENCY_CONFLICT => !self.maybe_bought,
            CallError::Refused { .. } => true,
            _ => false,
        }
    }

    fn limit(&self, error: &CallError) -> Duration {
        match error {
            _ if self.maybe_bought => self.window,
            CallError::Connect(_) => UNREACHABLE_PATIENCE.min(self.patience),
            _ => self.patience,
        }
    }

    fn pause(&self, error: &CallError) -> Duration {
        let mut random = rand::rng();
        if let Some(asked) = error.retry_after() {
            return asked + PAUSE_SPREAD.mul_f64(random.random_range(0.0..1.0));
        }
        let doubtful = self.maybe_bought && self.began.elapsed() >= self.patience;
        let longest = if doubtful { PAUSE_MAX_IN_DOUBT } else { PAUSE_MAX };
        let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.count.min(10))).min(longest);
        pause.mul_f64(random.random_range(0.75..1.0))
    }

    /// What it comes to when this error ends the tries.
    pub(super) fn end(&self, error: &CallError) -> Uncreated {
        if self.maybe_bought {
            Uncreated::Unknown { refusal: self.is_final(error).then(|| create_fault(error)) }
        } else {
            Uncreated::NotBought(create_fault(error))
        }
    }

    pub(super) fn end_of_refused(&self, retry_after: Duration) -> Uncreated {
        if self.maybe_bought {
            Uncreated::Unknown { refusal: None }
        } else {
            Uncreated::NotBought(unavailable(Some(retry_after)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    const PATIENCE: Duration = Duration::from_secs(20);
    const WINDOW: Duration = Duration::from_hours(1);

    impl Tries {
        fn new(patience: Duration, window: Duration) -> Self {
            Self { began: Instant::now(), patience, window, count: 0, maybe_bought: false }
        }
    }

    fn fault(end: Uncreated) -> Fault {
        match end {
            Uncreated::NotBought(fault) => fault,
            Uncreated::Unknown { refusal } => refusal.unwrap_or_else(|| create_fault(&CallError::Timeout)),
        }
    }

    fn refused(refusal: Refusal, status: u16) -> CallError {
        CallError::Refused { refusal, status, code: String::new(), message: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_asked_for_until_the_window_closes() {
        let mut tries = Tries::new(PATIENCE, WINDOW);
        let mut doubtful_from = None;
        while let Next::Again { pause, in_doubt } = tries.after(&CallError::Timeout) {
            tokio::time::sleep(pause).await;
            if in_doubt && doubtful_from.is_none() {
                doubtful_from = Some(tries.began.elapsed());
            }
        }
        let doubtful_from = doubtful_from.unwrap();
        assert!(doubtful_from >= PATIENCE && doubtful_from < PATIENCE + PAUSE_MAX, "{doubtful_from:?}");
        assert!(tries.began.elapsed() > WINDOW.checked_sub(PAUSE_MAX_IN_DOUBT).unwrap());
        assert_eq!(fault(tries.end(&CallError::Timeout)).code(), "upstream_outcome_unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_upstream_is_given_up_soon_and_bought_nothing() {
        let mut tries = Tries::new(PATIENCE, WINDOW);
        let error = CallError::Connect("refused".into());
        while let Next::Again { pause, in_doubt } = tries.after(&error) {
            assert!(!in_doubt);
            tokio::time::sleep(pause).await;
        }
        assert!(tries.began.elapsed() <= UNREACHABLE_PATIENCE && tries.count > 2);
        assert_eq!(fault(tries.end(&error)).code(), "upstream_unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_our_patience_is_passed_on_at_once() {
        let mut tries = Tries::new(PATIENCE, WINDOW);
        let error = CallError::Busy { retry_after: Some(Duration::from_secs(30)) };
        assert_eq!(tries.after(&error), Next::GiveUp);
        let fault = fault(tries.end(&error));
        assert_eq!((fault.status(), fault.retry_after_seconds()), (503, Some(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_breaker_refuses_waits_by_what_is_at_stake() {
        let refused = |reason, seconds| Refused { retry_after: Duration::from_secs(seconds), reason };
        let again = |seconds, in_doubt| Next::Again { pause: Duration::from_secs(seconds), in_doubt };
        let never_sent = Tries::new(PATIENCE, WINDOW);
        assert_eq!(never_sent.refused(refused(Reason::Open, 1)), Next::GiveUp);
        for reason in [Reason::Paused, Reason::Probing, Reason::RampingUp] {
            assert_eq!(never_sent.refused(refused(reason, 19)), again(19, false));
            assert_eq!(never_sent.refused(refused(reason, 20)), Next::GiveUp);
        }
        let told = fault(never_sent.end_of_refused(Duration::from_secs(7)));
        assert_eq!((told.status(), told.retry_after_seconds()), (503, Some(7)));
        let doubtful = Tries { maybe_bought: true, ..Tries::new(PATIENCE, WINDOW) };
        assert_eq!(doubtful.refused(refused(Reason::Open, 19)), again(19, false));
        assert_eq!(doubtful.refused(refused(Reason::Open, 60)), again(60, true));
        assert_eq!(fault(doubtful.end_of_refused(Duration::ZERO)).code(), "upstream_outcome_unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_whose_key_is_ignored_is_not_repeated_once_it_may_be_taken() {
        let mut tries = Tries::new(PATIENCE, Duration::ZERO);
        assert!(matches!(tries.after(&CallError::Connect("refused".into())), Next::Again { .. }));
        assert!(matches!(tries.after(&CallError::Busy { retry_after: None }), Next::Again { .. }));
        assert!(!tries.may_not_be_repeated());
        assert_eq!(tries.after(&CallError::Timeout), Next::GiveUp);
        assert!(tries.may_not_be_repeated());
        assert_eq!(fault(tries.end(&CallError::Timeout)).code(), "upstream_outcome_unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn one_try_has_a_second_at_least_and_ten_at_most() {
        let of = |patience| Tries::new(patience, WINDOW).time_for_one();
        assert_eq!([of(Duration::ZERO), of(Duration::from_millis(1))], [TRY_MIN; 2]);
        assert_eq!(of(Duration::from_secs(6)), Duration::from_secs(3));
        assert_eq!([of(PATIENCE), of(WINDOW)], [TRY_MAX; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_of_the_tries_before_does_not_end_a_create_in_doubt() {
        let conflict = CallError::Refused {
            refusal: Refusal::BadRequest,
            status: 409,
            code: IDEMPOTENCY_CONFLICT.to_owned(),
            message: String::new(),
        };
        for error in [refused(Refusal::Account, 402), refused(Refusal::Model, 404), conflict] {
            let mut tries = Tries::new(PATIENCE, WINDOW);
            assert_eq!(tries.after(&error), Next::GiveUp, "{error}");
            let mut tries = Tries::new(PATIENCE, WINDOW);
            assert!(matches!(tries.after(&CallError::Broken("cut".into())), Next::Again { .. }));
            assert!(matches!(tries.after(&error), Next::Again { .. }), "{error}");
            assert_eq!(fault(tries.end(&error)).code(), "upstream_outcome_unknown");
            assert_eq!(tries.after(&refused(Refusal::BadRequest, 400)), Next::GiveUp);
        }
    }
}
