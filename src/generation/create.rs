//! One create, asked until its outcome is known, always with the same key and the same bytes.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::House;
use super::model::Generation;
use super::purchase::Purchase;
use crate::evolink::{CallError, Proof, Refusal, Task, create_fault};
use crate::fault::Fault;

/// Longest wait for the answer to one try.
const TRY_MAX: Duration = Duration::from_secs(10);
/// However little patience there is for a doubt, one try has the time of a usual create: a try cut short would only
/// make the doubt that it was meant to bound.
const TRY_MIN: Duration = Duration::from_secs(1);
/// How long an upstream that cannot even be reached is tried.
const UNREACHABLE_PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between tries; doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause while a client waits, and after it was told.
const PAUSE_MAX: Duration = Duration::from_secs(4);
const PAUSE_MAX_IN_DOUBT: Duration = Duration::from_mins(1);

/// Creates the task of one image, which is written down already. One that an earlier process began is in doubt from
/// the start.
///
/// While the outcome is unknown for longer than `create_patience`, the generation is in doubt: its waiters are told,
/// and the create goes on being asked within `idempotency_window`.
///
/// # Errors
/// What Evolink's refusal means for the client; `UpstreamUnavailable` when nothing was bought;
/// `OutcomeUnknown` when the window is over.
pub(super) async fn create(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
) -> Result<Task, Fault> {
    let mut tries = Tries::of(purchase, house.options.create_patience, house.options.idempotency_window);
    if tries.maybe_bought && tries.began.elapsed() >= tries.window {
        return Err(create_fault(&CallError::Timeout));
    }
    let key = &purchase.key;
    let mut doubt = None;
    loop {
        match house.upstream.create(key, purchase.body.clone(), tries.time_for_one()).await {
            Ok(task) => return Ok(task),
            Err(error) => {
                let generation_id = generation.id();
                tracing::warn!(%generation_id, key = key.as_str(), %error, "a create was not answered with a task");
                match tries.after(&error) {
                    Next::GiveUp => {
                        if matches!(error, CallError::Refused { refusal: Refusal::Account, .. }) {
                            tracing::error!(%generation_id, %error, "evolink refuses the account or its key");
                        }
                        return Err(tries.fault(&error));
                    }
                    Next::Again { pause, in_doubt } => {
                        if in_doubt && doubt.is_none() {
                            doubt = Some(generation.doubt(purchase));
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }
}

/// What to do after a try that brought no task.
#[derive(Debug, PartialEq)]
enum Next {
    GiveUp,
    Again { pause: Duration, in_doubt: bool },
}

/// The tries of one create so far.
struct Tries {
    began: Instant,
    patience: Duration,
    window: Duration,
    count: u32,
    /// A try whose request may have been taken: from then on nothing but its outcome, or the window's end, ends this.
    maybe_bought: bool,
}

impl Tries {
    fn of(purchase: &Purchase, patience: Duration, window: Duration) -> Self {
        Self { began: purchase.begun, patience, window, count: 0, maybe_bought: purchase.taken_up }
    }

    fn time_for_one(&self) -> Duration {
        (self.patience / 2).clamp(TRY_MIN, TRY_MAX)
    }

    fn after(&mut self, error: &CallError) -> Next {
        self.maybe_bought |= error.proof() == Proof::Unknown;
        let pause = self.pause(error);
        self.count = self.count.saturating_add(1);
        let spent = self.began.elapsed() + pause;
        if self.is_final(error) || spent >= self.limit(error) {
            return Next::GiveUp;
        }
        Next::Again { pause, in_doubt: self.maybe_bought && spent >= self.patience }
    }

    /// A refusal of the request itself also answers for the tries before it; one of the account does not.
    fn is_final(&self, error: &CallError) -> bool {
        match error {
            CallError::Refused { refusal: Refusal::Account, .. }
            | CallError::Missing
            | CallError::TaskNotFound => !self.maybe_bought,
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
        if let Some(asked) = error.retry_after() {
            return asked;
        }
        let doubtful = self.maybe_bought && self.began.elapsed() >= self.patience;
        let longest = if doubtful { PAUSE_MAX_IN_DOUBT } else { PAUSE_MAX };
        let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.count.min(10))).min(longest);
        pause.mul_f64(rand::rng().random_range(0.75..1.0))
    }

    fn fault(&self, error: &CallError) -> Fault {
        match error.proof() {
            Proof::NotBought if self.maybe_bought && !self.is_final(error) => {
                create_fault(&CallError::Timeout)
            }
            _ => create_fault(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    const WINDOW: Duration = Duration::from_hours(1);

    impl Tries {
        fn new(patience: Duration, window: Duration) -> Self {
            Self { began: Instant::now(), patience, window, count: 0, maybe_bought: false }
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
        assert_eq!(tries.fault(&CallError::Timeout).code(), "upstream_outcome_unknown");
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
        assert_eq!(tries.fault(&error).code(), "upstream_unavailable");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_our_patience_is_passed_on_at_once() {
        let mut tries = Tries::new(PATIENCE, WINDOW);
        let error = CallError::Busy { retry_after: Some(Duration::from_secs(30)) };
        assert_eq!(tries.after(&error), Next::GiveUp);
        let fault = tries.fault(&error);
        assert_eq!((fault.status(), fault.retry_after_seconds()), (503, Some(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_try_has_a_second_at_least_and_ten_at_most() {
        let of = |patience| Tries::new(patience, WINDOW).time_for_one();
        assert_eq!([of(Duration::ZERO), of(Duration::from_millis(1))], [TRY_MIN; 2]);
        assert_eq!(of(Duration::from_secs(6)), Duration::from_secs(3));
        assert_eq!([of(PATIENCE), of(WINDOW)], [TRY_MAX; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_account_does_not_end_a_create_in_doubt() {
        let mut tries = Tries::new(PATIENCE, WINDOW);
        assert_eq!(tries.after(&refused(Refusal::Account, 402)), Next::GiveUp);
        let mut tries = Tries::new(PATIENCE, WINDOW);
        assert!(matches!(tries.after(&CallError::Broken("cut".into())), Next::Again { .. }));
        assert!(matches!(tries.after(&refused(Refusal::Account, 402)), Next::Again { .. }));
        assert_eq!(tries.after(&refused(Refusal::BadRequest, 400)), Next::GiveUp);
    }
}
