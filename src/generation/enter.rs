//! How a request comes to its generation: the one that answers it already, or a new one.

use std::sync::Arc;

use tokio::time::Instant;

use super::booking::Booking;
use super::counts::Kind;
use super::journal::{JournalError, Note, Wanted};
use super::model::{Generation, Owner, State};
use super::purchase::{in_patience, unwritten};
use super::registry::Found;
use super::results::Cached;
use super::reuse::{Came, Sharing, Wish, nothing_cached};
use super::waiter::Waiter;
use super::{Generations, recover, run};
use crate::fault::{Fault, FaultKind};
use crate::quota::Taken;

/// The result that the journal has, if it could be asked.
type Behind = Result<Option<Cached>, JournalError>;

/// What a request came to.
enum Begun {
    /// And what it took of its caller's rates.
    Found(Found, Box<Taken>),
    New(Arc<Generation>),
}

impl Generations {
    /// Waits for a generation that answers the wish, by its rules of reuse; else for a new one, which is written down
    /// before this returns. Nothing is done for it earlier.
    ///
    /// # Errors
    /// `IdempotencyConflict` when the key stands for another request, `CacheMiss` when nothing new may be begun,
    /// `Overloaded` when too many generations are under way already, or it cannot be written down;
    /// `UpstreamUnavailable` while upstream takes no creates.
    pub async fn begin(&self, wish: Wish) -> Result<Waiter, Fault> {
        let name = self.registry().may_have_forgotten_the_name(&wish.owner, &wish.reuse).cloned();
        if let Some(key) = name {
            let wanted = Wanted::Named { team: Arc::clone(&wish.owner.team), key };
            recover::recall(&self.0, wanted).await.map_err(|error| unwritten().with_cause(error))?;
        }
        let cached = self.0.look_behind(&wish.owner, &wish.reuse).await;
        if let Ok(Some(cached)) = &cached
            && self.registry().is_new_name(&wish.owner, &wish.reuse)
        {
            self.know_by_id(&wish.owner, cached).await;
        }
        let shares = matches!(wish.reuse.sharing, Sharing::Shared { .. });
        let entered = self.enter(wish, cached).await;
        if let Some(result) = found(&entered).filter(|_| shares) {
            self.0.metrics.cache_lookup(result);
        }
        let mut waiter = entered?;
        waiter.admitted().await?;
        Ok(waiter)
    }

    /// An idempotency key can stand for a result only if its generation is known here.
    async fn know_by_id(&self, owner: &Owner, cached: &Cached) {
        if cached.generation.owner().team == owner.team {
            self.remember(&owner.team, cached.generation.id().as_str()).await;
        }
    }

    async fn enter(&self, wish: Wish, cached: Behind) -> Result<Waiter, Fault> {
        let begun = self.find_or_add(&wish, cached)?;
        let Wish { owner, inputs, reuse, limits, .. } = wish;
        let (Found { generation, came, newly_named }, taken) = match begun {
            Begun::Found(found, taken) => (found, taken),
            Begun::New(generation) => {
                self.0.tasks.spawn(run::begin(Arc::clone(&self.0), Arc::clone(&generation), inputs));
                return Ok(Waiter::new(Arc::clone(&self.0), generation, Came::First));
            }
        };
        let mut waiter = Waiter::new(Arc::clone(&self.0), generation, came);
        if let Err(fault) = waiter.admitted().await {
            // What it joined was refused, and so is it.
            self.0.quota.gate.give_back(&taken, Instant::now());
            return Err(fault);
        }
        let model = &waiter.generation().plan().class.model;
        self.0.counts.request(self.0.today(), &limits, model, Kind::Hit);
        let generation_id = waiter.generation().id();
        if came == Came::Joined {
            self.0.metrics.joined();
            tracing::info!(%generation_id, team = %owner.team, "a repeated request joined its generation");
        }
        if let Some(key) = reuse.idempotency_key.filter(|_| newly_named) {
            let note = Note::Named { generation: generation_id.clone(), team: owner.team, key };
            // What the client is told holds after a crash, too. An answer that costs nothing is given all the same.
            if in_patience(self.0.journal.note(Arc::from([note.clone()]))).await.is_err() {
                self.0.scribe.note(note);
            }
        }
        Ok(waiter)
    }

    /// The generation that answers, or a new one that is known from here on: of many identical requests at once only
    /// the first begins one.
    fn find_or_add(&self, wish: &Wish, cached: Behind) -> Result<Begun, Fault> {
        let Wish { plan, owner, reuse, limits, price, .. } = wish;
        let mut registry = self.registry();
        let now = Instant::now();
        let gate = &self.0.quota.gate;
        let limited = |refused: Box<_>| self.0.limited(limits, *refused);
        // Before anything is found: a request that is refused takes nobody's place and names nothing.
        gate.ask(limits, 0, now).map_err(limited)?;
        // Again, under the lock: what was under way a moment ago may be a result by now.
        let known = cached.as_ref().ok().cloned().flatten().or_else(|| self.0.cached(owner, reuse));
        if let Some(found) = registry.take(owner, reuse, known)? {
            // A request is counted even where it costs nothing.
            return Ok(Begun::Found(found, gate.take(limits, 0, now).into()));
        }
        if reuse.only_if_cached {
            return Err(nothing_cached());
        }
        // What the journal may have is not bought.
        cached.map_err(|error| unwritten().with_cause(error))?;
        self.0.refuse_in_an_outage()?;
        let private = reuse.sharing == Sharing::Private;
        let taken = gate.enter(limits, plan.count.into(), now).map_err(limited)?;
        let per_usd = self.0.quota.micro_credits_per_usd();
        let booking = Booking::new(limits.clone(), *price, per_usd).took(taken);
        let generation =
            Generation::new(Arc::clone(plan), owner.clone(), self.0.clock.unix_ms()).booked(booking);
        let generation = Arc::new(generation.kept_to(reuse.idempotency_key.clone(), private));
        generation.audience.enter();
        registry.add(&generation).inspect_err(|_| generation.booking.give_back(&self.0))?;
        Ok(Begun::New(generation))
    }
}

/// What a look into the cache came to, as the metrics call it; none where a limit came before it.
fn found(entered: &Result<Waiter, Fault>) -> Option<&'static str> {
    match entered {
        Ok(waiter) => Some(match waiter.came() {
            Came::First => "miss",
            Came::Joined => "collapsed",
            Came::Hit { .. } if waiter.generation().state() == State::Failed => "negative",
            Came::Hit { .. } => "hit",
        }),
        Err(fault) => (fault.kind() == FaultKind::CacheMiss).then_some("miss"),
    }
}
