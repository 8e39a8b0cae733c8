//! One create, asked until its outcome is known, always with the same key and the same bytes.

mod tries;

use tokio::time::Instant;

use super::House;
use super::model::Generation;
use super::purchase::Purchase;
use super::uploads::nobody_waits;
use crate::evolink::breaker::{Admission, Reason, Report};
use crate::evolink::{CallError, Refusal, Task, unavailable};
use crate::fault::Fault;
use tries::{Next, Tries};

/// Why a create has no task.
#[derive(Debug)]
pub(super) enum Uncreated {
    /// Nothing was bought.
    NotBought(Fault),
    /// An earlier try may have been taken. `refusal`: what the last one was answered with, which proves nothing of those
    /// before it: upstream may refuse before it looks at the key.
    Unknown { refusal: Option<Fault> },
}

/// Creates the task of one image, which is written down already. One that an earlier process began is in doubt from
/// the start. The breaker is asked before each try.
///
/// While the outcome is unknown for longer than `create_patience`, the generation is in doubt: its waiters are told,
/// and the create goes on being asked within `idempotency_window`; not at all where upstream ignores its key.
///
/// # Errors
/// `NotBought` with what Evolink's refusal means for the client, `UpstreamUnavailable`, or `Overloaded` when it is not
/// wanted any more; `Unknown` when it may not be asked any more, or upstream refuses a repetition.
pub(super) async fn create(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
) -> Result<Task, Uncreated> {
    let mut tries = Tries::of(purchase, &house.options);
    if tries.may_not_be_repeated() {
        return Err(Uncreated::Unknown { refusal: None });
    }
    let key = &purchase.key;
    let mut doubt = None;
    loop {
        let (next, end) = match house.breaker.admit(Instant::now()) {
            Admission::Refused(refused) => {
                (tries.refused(refused), tries.end_of_refused(refused.retry_after))
            }
            Admission::Admitted(permit) => {
                let outcome = house.upstream.create(key, purchase.body.clone(), tries.time_for_one()).await;
                permit.report(Report::of(&outcome), Instant::now());
                let error = match outcome {
                    Ok(task) => return Ok(task),
                    Err(error) => error,
                };
                let generation_id = generation.id();
                tracing::warn!(%generation_id, key = key.as_str(), %error, "a create was not answered with a task");
                let next = tries.after(&error);
                if next == Next::GiveUp
                    && matches!(error, CallError::Refused { refusal: Refusal::Account, .. })
                {
                    tracing::error!(%generation_id, %error, "evolink refuses the account or its key");
                }
                (next, tries.end(&error))
            }
        };
        let Next::Again { pause, in_doubt } = next else { return Err(end) };
        if in_doubt && doubt.is_none() {
            doubt = Some(generation.doubt(&house.metrics, purchase));
        }
        tokio::time::sleep(pause).await;
        if !tries.maybe_bought() && generation.audience.is_cancelled() {
            return Err(Uncreated::NotBought(nobody_waits()));
        }
    }
}

impl House {
    /// Refuses what would be refused at its create, before anything is done for it: upstream is down and not to be
    /// asked yet, or wants quiet for longer than a create waits.
    pub(super) fn refuse_in_an_outage(&self) -> Result<(), Fault> {
        let now = Instant::now();
        let health = self.breaker.snapshot(now);
        let quiet = health.paused_until.filter(|until| *until >= now + self.options.create_patience);
        match health.open_until.into_iter().chain(quiet).max() {
            Some(until) => Err(unavailable(Some(until.saturating_duration_since(now)))),
            None => Ok(()),
        }
    }
}
