//! What a generation takes of its caller's limits: rates at its beginning, holds until its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::House;
use super::journal::Note;
use super::model::{Finished, Generation};
use crate::image::Plan;
use crate::money::Credits;
use crate::quota::{Account, CallerLimits, Limits, Settlement, Spent, UsageRow, Used};

/// The limits a generation is counted against, and what it is expected to cost.
#[derive(Debug)]
pub(super) struct Booking {
    pub limits: CallerLimits,
    /// Held for one image.
    pub price: Credits,
    /// Of one dollar; that of its beginning, so that what is booked agrees with what is held.
    pub micro_credits_per_usd: u64,
    held: Mutex<Held>,
}

/// What is known of the cost while the generation runs.
#[derive(Debug, Default)]
struct Held {
    /// By upstream, for the images that have a task.
    reserved: BTreeMap<u8, Credits>,
    /// The whole, in micro-credits, as far as it was raised.
    raised: u64,
}

impl Booking {
    pub(super) fn new(limits: CallerLimits, price: Credits, micro_credits_per_usd: u64) -> Self {
        Self { limits, price, micro_credits_per_usd, held: Mutex::default() }
    }

    /// Of a caller without limits.
    pub(super) fn none(team: &Arc<str>, key_name: &Arc<str>) -> Self {
        let account = Account::Key { team: Arc::clone(team), name: Arc::clone(key_name) };
        let of_team = Limits::none(Account::Team(Arc::clone(team))).into();
        let limits = CallerLimits { key: Limits::none(account).into(), team: of_team, weight: 1 };
        Self::new(limits, Credits::ZERO, 0)
    }

    pub(super) fn team(&self) -> &str {
        match &self.limits.team.account {
            Account::Team(team) | Account::Key { team, .. } => team,
        }
    }

    pub(super) fn key_name(&self) -> Arc<str> {
        match &self.limits.key.account {
            Account::Key { name, .. } => Arc::clone(name),
            Account::Team(team) => Arc::clone(team),
        }
    }

    /// What upstream may count while it runs, at most: what is reserved, and the price of what is not.
    pub(super) fn most(&self, plan: &Plan) -> Credits {
        let price = self.price.max(plan.price);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        (0..plan.count).map(|image| held.reserved.get(&image).map_or(price, |known| price.max(*known))).sum()
    }

    /// Gives back what the beginning took, since the generation was refused.
    pub(super) fn give_back(&self, house: &House, images: u8) {
        house.quota.gate.give_back(&self.limits, images.into(), Instant::now());
    }

    /// Upstream reserved so much for an image: if the generation will cost more than it holds, the hold is raised.
    pub(super) fn reserved(&self, house: &House, generation: &Generation, image: u8, credits: Credits) {
        let count = generation.plan().count;
        let first = self.price.micro().saturating_mul(count.into());
        let (total, more) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.reserved.insert(image, credits);
            let known: Credits = held.reserved.values().copied().sum();
            let open =
                u64::from(count).saturating_sub(u64::try_from(held.reserved.len()).unwrap_or(u64::MAX));
            let total = known.micro().saturating_add(self.price.micro().saturating_mul(open));
            let more = total.saturating_sub(first.max(held.raised));
            held.raised = total.max(held.raised);
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
        made.clone().for_each(|image| house.quota.prices.settled(generation.plan(), image.credits));
        let credits = finished.credits();
        let images = made.fold(0_u64, |count, _| count + 1);
        let day = house.clock.now().to_zoned(TimeZone::UTC).date();
        Settlement {
            spent: Spent { images, micro_credits: credits.micro() },
            micro_credits_per_usd: self.micro_credits_per_usd,
            usage: UsageRow {
                day,
                team: generation.owner().team.to_string(),
                key: self.key_name().to_string(),
                model: generation.plan().class.model.clone(),
                used: Used { images, credits, ..Used::default() },
            },
        }
    }
}
