//! Places upstream: at most `evolink.max_tasks` tasks run at once, shared among the teams by their weight, within each
//! team's and key's own `concurrent_images`. The limits in force are looked up whenever a place is given, so that a
//! reload holds for those who wait and counts those who run.

mod holdings;
mod refusal;
mod standing;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::fault::{Fault, FaultKind};
use crate::quota::fair::Ticket;
use crate::quota::{Account, Quota};
pub(super) use refusal::no_slot;
pub(super) use standing::{Line, Standing};
use state::{Granted, State, Waiting, Who};

/// Images that may wait for a place, all teams together.
const WAITING_MAX: usize = 50_000;
/// Those of one team, so that none fills the line alone.
const WAITING_PER_TEAM_MAX: usize = 25_000;

/// The queue in front of upstream; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max_tasks: usize,
    queue_timeout: Duration,
    quota: Arc<Quota>,
    state: Mutex<State>,
}

/// A place held; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Slot {
    queue: Queue,
    who: Who,
    since: Instant,
    /// False: its taker left before it had it, or had no use for it. Its team has not had the turn.
    used: bool,
}

impl Slot {
    /// Frees a place that nothing was bought in.
    pub(super) fn unused(mut self) {
        self.used = false;
    }
}

/// A place in the line, left when it is dropped.
struct InLine<'a> {
    queue: &'a Queue,
    standing: &'a Standing<'a>,
    ticket: Ticket,
}

impl Queue {
    pub(super) fn new(max_tasks: usize, queue_timeout: Duration, quota: Arc<Quota>) -> Self {
        Self(Arc::new(Shared { max_tasks, queue_timeout, quota, state: Mutex::default() }))
    }

    fn max_tasks(&self) -> usize {
        self.0.max_tasks
    }

    /// Whether so many images may line up; asked before anything is written down for them.
    ///
    /// # Errors
    /// `NoSlot` when it can be foreseen that the first has no place within `queue_timeout`, or too many of the team
    /// wait; `Overloaded` when too many wait.
    pub(super) fn foresee(&self, standing: &Standing<'_>, images: u8) -> Result<(), Fault> {
        let (book, who) = (self.0.quota.book(), &standing.who);
        let state = self.state();
        has_room(&state, &who.team, images.into())?;
        let forecast = state.forecast(self.0.max_tasks, &book, who);
        drop(state);
        if forecast.wait <= self.0.queue_timeout {
            return Ok(());
        }
        Err(standing.refused(&forecast, self.0.queue_timeout))
    }

    /// A place for one image. Once one image of a generation has its place, the others wait without a limit of their
    /// own, since the generation is under way.
    ///
    /// # Errors
    /// `NoSlot` when no image of the generation had a place within `queue_timeout`, or too many of the team wait;
    /// `Overloaded` when too many wait.
    pub(super) async fn take(&self, standing: &Standing<'_>) -> Result<Slot, Fault> {
        let (mut place, _in_line) = self.line_up(standing)?;
        let granted = match tokio::time::timeout(self.0.queue_timeout, &mut place).await {
            Ok(granted) => granted,
            Err(_) if standing.is_running() => place.await,
            Err(_) => {
                let book = self.0.quota.book();
                let forecast = self.state().in_vain(self.0.max_tasks, &book, &standing.who);
                return Err(standing.refused(&forecast, self.0.queue_timeout));
            }
        };
        // The sender lives in the queue until it is answered.
        let mut slot = granted.map_err(|_closed| {
            Fault::new(FaultKind::Overloaded, "The gateway is going down; send the request again.")
        })?;
        slot.used = true;
        standing.run();
        Ok(slot)
    }

    /// A place if one is free that nobody who waits may have.
    pub(super) fn take_free(&self, standing: &Standing<'_>) -> Option<Slot> {
        let book = self.0.quota.book();
        let slot = self.state().take_free(self, &book, &standing.who)?;
        standing.run();
        Some(slot)
    }

    /// A place for an image that runs upstream already, whether or not there is one: others wait until it has ended.
    pub(super) fn take_over(&self, standing: &Standing<'_>) -> Slot {
        standing.run();
        let (book, who) = (self.0.quota.book(), &standing.who);
        let mut state = self.state();
        state.line.count(&who.team, book.weight(&who.team));
        state.grant(self, who.clone())
    }

    /// Other limits are in force: they hold for those who wait, too.
    pub(super) fn limits_changed(&self) {
        let granted = {
            let book = self.0.quota.book();
            let mut state = self.state();
            state.line.weigh(|team| book.weight(team));
            state.dispatch(self, &book)
        };
        hand_over(granted);
    }

    fn line_up<'a>(
        &'a self,
        standing: &'a Standing<'_>,
    ) -> Result<(oneshot::Receiver<Slot>, InLine<'a>), Fault> {
        let (book, Who { team, key }) = (self.0.quota.book(), &standing.who);
        let (reply, place) = oneshot::channel();
        let mut state = self.state();
        has_room(&state, team, 1)?;
        let waiting = Waiting { who: standing.who.clone(), reply };
        let ticket = state.line.push(team, key, book.weight(team), waiting);
        let in_line = InLine { queue: self, standing, ticket };
        let granted = state.dispatch(self, &book);
        drop(state);
        hand_over(granted);
        standing.line.stand(self, team, ticket);
        Ok((place, in_line))
    }

    /// Images of this account that have a place.
    pub(super) fn running(&self, account: &Account) -> u32 {
        self.state().running_of(account)
    }

    /// How many turns come before one that waits; none when it waits no longer.
    fn ahead(&self, team: &Account, ticket: Ticket) -> Option<usize> {
        self.state().ahead(team, ticket)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_room(state: &State, team: &Account, images: usize) -> Result<(), Fault> {
    if state.line.len() + images > WAITING_MAX {
        return Err(refusal::too_many());
    }
    if state.line.of_team(team) + images > WAITING_PER_TEAM_MAX {
        return Err(refusal::too_many_of_team());
    }
    Ok(())
}

/// A slot whose taker has left is free again at once.
fn hand_over(granted: Granted) {
    for (reply, slot) in granted {
        drop(reply.send(slot));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let granted = {
            let book = self.queue.0.quota.book();
            let mut state = self.queue.state();
            state.release(self);
            state.dispatch(&self.queue, &book)
        };
        hand_over(granted);
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let Self { queue, standing, ticket } = self;
        standing.line.leave(*ticket);
        let left = queue.state().line.remove(&standing.who.team, &standing.who.key, *ticket);
        // Its reply is dropped without the lock: nothing else may be, here.
        drop(left);
    }
}

#[cfg(test)]
mod tests;
