//! Places upstream: at most `evolink.max_tasks` tasks run at once, shared among the teams by their weight, within each
//! team's and key's own `concurrent_images`.

mod standing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::fault::{Fault, FaultKind};
use crate::quota::fair::{FairQueue, Ticket};
use crate::quota::{Account, CallerLimits};
pub(super) use standing::{Line, Standing};

/// Images that may wait for a place, all teams together.
const WAITING_MAX: usize = 50_000;
/// How much the latest image counts in the mean time that a place is held.
const LATEST: f64 = 0.1;
/// What clients believe of a pause.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The queue in front of upstream; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_tasks: usize,
    queue_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    line: FairQueue<Arc<str>, Waiting>,
    running: usize,
    /// Images that run, of accounts that have any.
    by_account: HashMap<Account, u32>,
    /// How long a place is held.
    mean: Option<Duration>,
}

#[derive(Debug)]
struct Waiting {
    limits: CallerLimits,
    reply: oneshot::Sender<Slot>,
}

/// A place held; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Slot {
    queue: Queue,
    accounts: [Account; 2],
    since: Instant,
}

/// A place in the line, left when it is dropped.
struct InLine<'a> {
    queue: &'a Queue,
    team: Arc<str>,
    ticket: Ticket,
    line: &'a Line,
}

impl Queue {
    pub(super) fn new(max_tasks: usize, queue_timeout: Duration) -> Self {
        Self(Arc::new(Shared { max_tasks, queue_timeout, state: Mutex::default() }))
    }

    /// A place for one image. Once one image of a generation has its place, the others wait without a limit of their
    /// own, since the generation is under way.
    ///
    /// # Errors
    /// `NoSlot` when no image of the generation had a place within `queue_timeout`, at once when that can be foreseen;
    /// `Overloaded` when too many wait.
    pub(super) async fn take(&self, standing: &Standing<'_>) -> Result<Slot, Fault> {
        let (mut place, _in_line) = self.line_up(standing)?;
        let granted = match tokio::time::timeout(self.0.queue_timeout, &mut place).await {
            Ok(granted) => granted,
            Err(_) if standing.is_running() => place.await,
            Err(_) => return Err(self.no_slot(self.0.queue_timeout)),
        };
        // The sender lives in the queue until it is answered.
        let slot = granted.map_err(|_closed| {
            Fault::new(FaultKind::Overloaded, "The gateway is going down; send the request again.")
        })?;
        standing.run();
        Ok(slot)
    }

    /// A place if one is free and nobody waits for it.
    pub(super) fn take_free(&self, standing: &Standing<'_>) -> Option<Slot> {
        let mut state = self.state();
        let free = state.running < self.0.max_tasks && state.line.is_empty() && state.may(&standing.limits);
        let slot = free.then(|| state.grant(self, &standing.limits))?;
        drop(state);
        standing.run();
        Some(slot)
    }

    /// A place for an image that runs upstream already, whether or not there is one: others wait until it has ended.
    pub(super) fn take_over(&self, standing: &Standing<'_>) -> Slot {
        standing.run();
        self.state().grant(self, &standing.limits)
    }

    fn line_up<'a>(
        &'a self,
        standing: &'a Standing<'_>,
    ) -> Result<(oneshot::Receiver<Slot>, InLine<'a>), Fault> {
        let limits = &standing.limits;
        let (reply, place) = oneshot::channel();
        let mut state = self.state();
        if state.line.len() >= WAITING_MAX {
            let message = "Too many images wait for a place here. Send the request again.";
            return Err(Fault::new(FaultKind::Overloaded, message));
        }
        let Account::Team(team) = limits.team.account.clone() else {
            return Err(Fault::new(FaultKind::Internal, "The gateway made a mistake with a team's limits."));
        };
        let ticket = state.line.push(&team, limits.weight, Waiting { limits: limits.clone(), reply });
        let in_line = InLine { queue: self, team, ticket, line: standing.line };
        let granted = self.dispatch(&mut state);
        let foreseen = self.foreseen(&state, &in_line.team, ticket, limits);
        drop(state);
        hand_over(granted);
        if foreseen > self.0.queue_timeout && !standing.is_running() {
            return Err(self.no_slot(foreseen));
        }
        standing.line.stand(self, &in_line.team, ticket);
        Ok((place, in_line))
    }

    /// Images of this account that have a place.
    pub(super) fn running(&self, account: &Account) -> u32 {
        self.state().by_account.get(account).copied().unwrap_or(0)
    }

    /// How many turns come before one that waits; none when it waits no longer.
    pub(super) fn ahead(&self, team: &Arc<str>, ticket: Ticket) -> Option<usize> {
        self.state().line.ahead(team, ticket)
    }

    /// The wait to be expected, from what places have been held lately; nothing while that is not known.
    fn foreseen(&self, state: &State, team: &Arc<str>, ticket: Ticket, limits: &CallerLimits) -> Duration {
        let (Some(mean), Some(ahead)) = (state.mean, state.line.ahead(team, ticket)) else {
            return Duration::ZERO;
        };
        let turns = |before: usize, places: usize| u32::try_from(before / places.max(1)).unwrap_or(u32::MAX);
        let most =
            [&limits.team, &limits.key].into_iter().filter_map(|limits| limits.concurrent_images).min();
        let by_own = most.map_or(0, |most| {
            let own = state.line.own_ahead(team, ticket).unwrap_or(0);
            turns(own, usize::try_from(most).unwrap_or(usize::MAX))
        });
        mean.saturating_mul(by_own.max(turns(ahead, self.0.max_tasks)))
    }

    fn no_slot(&self, foreseen: Duration) -> Fault {
        let pause = foreseen.saturating_sub(self.0.queue_timeout).clamp(RETRY_AFTER.0, RETRY_AFTER.1);
        no_slot(self.0.queue_timeout).with_retry_after(pause)
    }

    /// Gives free places to those whose turn it is; to be handed over without the lock.
    fn dispatch(&self, state: &mut State) -> Vec<(oneshot::Sender<Slot>, Slot)> {
        let mut granted = Vec::new();
        while state.running < self.0.max_tasks {
            let by_account = &state.by_account;
            let next = state.line.pop(|_, waiting| may(by_account, &waiting.limits));
            let Some((_, Waiting { limits, reply })) = next else { break };
            granted.push((reply, state.grant(self, &limits)));
        }
        granted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot whose taker has left is free again at once.
fn hand_over(granted: Vec<(oneshot::Sender<Slot>, Slot)>) {
    for (reply, slot) in granted {
        drop(reply.send(slot));
    }
}

fn may(by_account: &HashMap<Account, u32>, limits: &CallerLimits) -> bool {
    [&limits.key, &limits.team].into_iter().all(|limits| {
        let running = by_account.get(&limits.account).copied().unwrap_or(0);
        limits.concurrent_images.is_none_or(|most| running < most)
    })
}

impl State {
    fn may(&self, limits: &CallerLimits) -> bool {
        may(&self.by_account, limits)
    }

    fn grant(&mut self, queue: &Queue, limits: &CallerLimits) -> Slot {
        let accounts = [limits.key.account.clone(), limits.team.account.clone()];
        self.running += 1;
        for account in &accounts {
            *self.by_account.entry(account.clone()).or_default() += 1;
        }
        Slot { queue: queue.clone(), accounts, since: Instant::now() }
    }

    fn release(&mut self, slot: &Slot) {
        self.running = self.running.saturating_sub(1);
        for account in &slot.accounts {
            if let Some(running) = self.by_account.get_mut(account) {
                *running = running.saturating_sub(1);
                if *running == 0 {
                    self.by_account.remove(account);
                }
            }
        }
        let held = slot.since.elapsed();
        self.mean = Some(self.mean.map_or(held, |mean| mean.mul_f64(1.0 - LATEST) + held.mul_f64(LATEST)));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.queue.state();
            state.release(self);
            self.queue.dispatch(&mut state)
        };
        hand_over(granted);
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.line.leave(self.ticket);
        let left = self.queue.state().line.remove(&self.team, self.ticket);
        // Its reply is dropped without the lock: nothing else may be, here.
        drop(left);
    }
}

/// The fault of a generation whose turn did not come within `queue_timeout`.
pub(super) fn no_slot(queue_timeout: Duration) -> Fault {
    let waited = queue_timeout.as_secs();
    let message = format!(
        "All places for running tasks are taken for longer than {waited} s. Nothing was bought; send the request again."
    );
    Fault::new(FaultKind::NoSlot, message)
}

#[cfg(test)]
mod tests;
