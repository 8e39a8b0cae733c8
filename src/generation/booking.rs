//! What a generation takes of its caller's limits: rates at its beginning, holds until its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::House;
use super::journal::Note;
use super::model::{Finished, Generation};
use crate::fault::Fault;
use crate::image::Plan;
use crate::money::Credits;
use crate::quota::{Account, BudgetId, CallerLimits, Demand, Exceeded, Limited, Limits};
use crate::quota::{Settlement, Spent, Taken, Unit, UsageRow, Used};

/// The limits a generation is counted against, and what it is expected to cost.
#[derive(Debug)]
pub(super) struct Booking {
    pub limits: CallerLimits,
    /// Held for one image.
    pub price: Credits,
    /// Of one dollar; that of its beginning, so that what is booked agrees with what is held.
    pub micro_credits_per_usd: u64,
    /// What its beginning took of the rates, until it is given back.
    rates: Mutex<Option<Taken>>,
    held: Mutex<Held>,
}

/// What is known of the cost while the generation runs.
#[derive(Debug, Default)]
struct Held {
    /// By budgets of credits or dollars, in micro-credits. None where no such budget holds for it.
    micro_credits: Option<u64>,
    /// By upstream, or charged already, for the images of which that is known.
    reserved: BTreeMap<u8, Credits>,
}

impl Booking {
    pub(super) fn new(limits: CallerLimits, price: Credits, micro_credits_per_usd: u64) -> Self {
        let (rates, held) = (Mutex::default(), Mutex::default());
        Self { limits, price, micro_credits_per_usd, rates, held }
    }

    /// Of a caller without limits.
    pub(super) fn none(team: &Arc<str>, key_name: &Arc<str>) -> Self {
        let account = Account::Key { team: Arc::clone(team), name: Arc::clone(key_name) };
        let of_team = Limits::none(Account::Team(Arc::clone(team))).into();
        let limits = CallerLimits { key: Limits::none(account).into(), team: of_team, weight: 1 };
        Self::new(limits, Credits::ZERO, 0)
    }

    /// Its beginning took this.
    pub(super) fn took(self, rates: Taken) -> Self {
        *lock(&self.rates) = Some(rates);
        self
    }

    /// An earlier process held this for it, in millionths of each unit.
    pub(super) fn holds(self, holds: &[(Unit, u64)], micro_credits_per_usd: u64) -> Self {
        let in_micro_credits = |(unit, amount): &(Unit, u64)| match unit {
            Unit::Images => None,
            Unit::Credits => Some(*amount),
            Unit::Usd => {
                let micro_credits = u128::from(*amount) * u128::from(micro_credits_per_usd) / 1_000_000;
                u64::try_from(micro_credits).ok()
            }
        };
        lock(&self.held).micro_credits = holds.iter().filter_map(in_micro_credits).max();
        self
    }

    pub(super) fn team(&self) -> &str {
        team(&self.limits)
    }

    pub(super) fn key_name(&self) -> Arc<str> {
        Arc::clone(key_name(&self.limits))
    }

    /// The generation was refused, or ended before it bought anything, for no reason of its client's: what it took of
    /// the rates is given back, once.
    pub(super) fn give_back(&self, house: &House) {
        if let Some(taken) = lock(&self.rates).take() {
            house.quota.gate.give_back(&taken, Instant::now());
        }
    }

    /// What upstream may count while it runs, at most: what is reserved, and the price of what is not.
    pub(super) fn most(&self, plan: &Plan) -> Credits {
        let price = self.price.max(plan.price);
        let held = lock(&self.held);
        (0..plan.count).map(|image| held.reserved.get(&image).map_or(price, |known| price.max(*known))).sum()
    }

    /// A budget has no room for these demands: counts the refusal, and says why.
    pub(super) fn refused(&self, house: &House, demands: &[Demand], exceeded: Exceeded) -> Fault {
        let demand = demands.get(exceeded.demand);
        if let Some(demand) = demand {
            house.metrics.quota_rejection(self.team(), demand.budget.unit.limit());
        }
        let needed = demand.map_or(0, |demand| demand.amount);
        self.limits.spent(exceeded, needed, house.clock.now())
    }

    /// These demands are held, though the budgets of some that are only reported have no room.
    pub(super) fn held(&self, house: &House, plan: &Plan, demands: &[Demand], over: &[Exceeded]) {
        let in_money = demands.iter().any(|demand| demand.budget.unit != Unit::Images);
        lock(&self.held).micro_credits =
            in_money.then(|| self.price.micro().saturating_mul(plan.count.into()));
        for demand in over.iter().filter_map(|over| demands.get(over.demand)) {
            let BudgetId { account, unit, period, .. } = &demand.budget;
            house.metrics.quota_shadow(self.team(), unit.limit());
            if house.quota.passed.is_news(demand) {
                let (unit, period) = (unit.name(), period.name());
                tracing::info!(account, unit, period, "a shadow budget has no room; nothing is refused");
            }
        }
    }

    /// Upstream reserved or charged so much for an image: if the generation will cost more than it holds, the hold is
    /// raised, since it is bought. Each credit above the first hold is counted once.
    pub(super) fn costs(&self, house: &House, generation: &Generation, image: u8, credits: Credits) {
        let count = generation.plan().count;
        let (total, more) = {
            let held = &mut *lock(&self.held);
            held.reserved.insert(image, credits);
            let Some(micro_credits) = &mut held.micro_credits else { return };
            let known: Credits = held.reserved.values().copied().sum();
            let open =
                u64::from(count).saturating_sub(u64::try_from(held.reserved.len()).unwrap_or(u64::MAX));
            let total = known.micro().saturating_add(self.price.micro().saturating_mul(open));
            let more = total.saturating_sub(*micro_credits);
            *micro_credits = total.max(*micro_credits);
            (total, more)
        };
        if more > 0 {
            house.metrics.quota_overshoot(Credits::from_micro(more));
            let spent = Spent { images: count.into(), micro_credits: total };
            let micro_credits_per_usd = self.micro_credits_per_usd;
            let generation = generation.id().clone();
            house.scribe.note(Note::Raised { generation, spent, micro_credits_per_usd });
        }
    }

    /// What the end costs the caller. The dearest pictures are remembered for later holds.
    pub(super) fn settlement(
        &self,
        house: &House,
        generation: &Generation,
        finished: &Finished,
    ) -> Settlement {
        let made = finished.images.iter().flatten();
        let (prices, plan) = (&house.quota.prices, generation.plan());
        made.clone().for_each(|image| prices.settled(plan, image.credits, Duration::ZERO));
        let credits = finished.credits();
        let images = made.fold(0_u64, |count, _| count + 1);
        Settlement {
            spent: Spent { images, micro_credits: credits.micro() },
            micro_credits_per_usd: self.micro_credits_per_usd,
            usage: UsageRow {
                day: house.today(),
                team: generation.owner().team.to_string(),
                key: self.key_name().to_string(),
                model: plan.class.model.clone(),
                used: Used { images, credits, ..Used::default() },
            },
        }
    }
}

impl House {
    /// Counts a request that a rate of its key or team refuses.
    pub(super) fn limited(&self, caller: &CallerLimits, (limited, fault): (Limited, Fault)) -> Fault {
        self.metrics.quota_rejection(team(caller), limited.name());
        fault
    }
}

pub(super) fn team(caller: &CallerLimits) -> &Arc<str> {
    match &caller.team.account {
        Account::Team(team) | Account::Key { team, .. } => team,
    }
}

pub(super) fn key_name(caller: &CallerLimits) -> &Arc<str> {
    match &caller.key.account {
        Account::Key { name, .. } | Account::Team(name) => name,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
