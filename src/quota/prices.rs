//! What pictures have cost lately: a hold that only follows the price table would be too low when the table is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::image::{Pixels, Plan, TaskClass};
use crate::money::Credits;

/// Settlements remembered of each kind of picture.
const REMEMBERED: usize = 20;
/// Kinds of pictures remembered; one more, and all are forgotten.
const KINDS_MAX: usize = 4_096;

/// Pictures whose costs tell of one another: by model, quality and size, and the number of pictures they are made from.
type Kind = (TaskClass, Pixels, usize);

/// The latest settlements by kind.
#[derive(Debug, Default)]
pub struct Prices(Mutex<HashMap<Kind, VecDeque<Settled>>>);

/// What one image was settled with.
#[derive(Debug, Clone, Copy)]
struct Settled {
    credits: Credits,
    /// What the table said.
    table: Credits,
    at: Instant,
}

impl Settled {
    /// What another of its kind is expected to cost, for which the table says `table`: as much more than that as this
    /// one was. Its prompt may be shorter, or the table corrected meanwhile: never more than this one cost.
    fn foretells(&self, table: Credits) -> Credits {
        let more = self.credits.micro().saturating_sub(self.table.micro());
        self.credits.min(table + Credits::from_micro(more))
    }
}

impl Prices {
    /// How long a settlement counts: one that was dear by mistake must not refuse for good what it made too dear for
    /// its budget to be settled anew.
    pub const RECENT: Duration = Duration::from_hours(1);

    /// An image of this plan was settled with so much, `ago`. To be told in the order of time.
    pub fn settled(&self, plan: &Plan, credits: Credits, ago: Duration) {
        let now = Instant::now();
        let settled = Settled { credits, table: plan.price, at: now.checked_sub(ago).unwrap_or(now) };
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kind(plan);
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&kind) {
            kinds.clear();
        }
        let latest = kinds.entry(kind).or_default();
        if latest.len() >= REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(settled);
    }

    /// What is to be held for one image: the table's price, or what the dearest of the latest like it foretells.
    pub fn hold(&self, plan: &Plan) -> Credits {
        let now = Instant::now();
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = kinds.get(&kind(plan)).into_iter().flatten();
        latest
            .filter(|settled| now.saturating_duration_since(settled.at) <= Self::RECENT)
            .map(|settled| settled.foretells(plan.price))
            .fold(plan.price, Credits::max)
    }
}

fn kind(plan: &Plan) -> Kind {
    let pictures = plan.task.references.len() + usize::from(plan.task.mask.is_some());
    (plan.class.clone(), plan.expected, pictures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::image::{ImageRequest, Quality, Reference};

    const NOW: Duration = Duration::ZERO;

    fn plan_of(prompt: &str, quality: Quality) -> Plan {
        let mut request = ImageRequest::new(prompt);
        request.quality = Some(quality);
        Catalog::default().plan(request, false).unwrap()
    }

    fn times(plan: &Plan, factor: u64) -> Credits {
        Credits::from_micro(plan.price.micro() * factor)
    }

    #[test]
    fn the_dearest_of_the_latest_is_held_if_it_is_above_the_table() {
        let (plan, other) = (plan_of("a fox", Quality::Low), plan_of("a fox", Quality::High));
        let prices = Prices::default();
        let dear = times(&plan, 3);
        prices.settled(&plan, Credits::from_micro(1), NOW);
        assert_eq!(prices.hold(&plan), plan.price);
        prices.settled(&plan, dear, NOW);
        assert_eq!((prices.hold(&plan), prices.hold(&other)), (dear, other.price));
        for _ in 0..REMEMBERED {
            prices.settled(&plan, Credits::from_micro(1), NOW);
        }
        assert_eq!(prices.hold(&plan), plan.price, "what was long ago is forgotten");
    }

    #[test]
    fn dear_inputs_do_not_make_those_without_them_dear() {
        let (plain, long) = (plan_of("a fox", Quality::Low), plan_of(&"a fox ".repeat(2_000), Quality::Low));
        assert!(long.price > plain.price);
        let prices = Prices::default();
        prices.settled(&long, long.price, NOW);
        assert_eq!(prices.hold(&plain), plain.price, "the table knew what the prompt costs");
        let mut edit = plain.clone();
        edit.task.references = vec![Reference::Link("https://a.test/a.png".into()); 16];
        prices.settled(&edit, times(&plain, 50), NOW);
        assert_eq!((prices.hold(&plain), prices.hold(&edit)), (plain.price, times(&plain, 50)));
    }

    #[test]
    fn a_table_that_was_corrected_is_not_added_to() {
        let plan = plan_of("a fox", Quality::Low);
        let prices = Prices::default();
        prices.settled(&plan, times(&plan, 3), NOW);
        let corrected = Plan { price: times(&plan, 3), ..plan };
        assert_eq!(prices.hold(&corrected), corrected.price);
    }

    #[tokio::test(start_paused = true)]
    async fn one_dear_settlement_does_not_refuse_for_good() {
        let plan = plan_of("a fox", Quality::Low);
        let prices = Prices::default();
        let hour = Prices::RECENT;
        prices.settled(&plan, times(&plan, 9), hour + Duration::from_secs(1));
        assert_eq!(prices.hold(&plan), plan.price);
        prices.settled(&plan, times(&plan, 3), hour / 2);
        assert_eq!(prices.hold(&plan), times(&plan, 3));
        tokio::time::advance(hour / 2 + Duration::from_secs(1)).await;
        assert_eq!(prices.hold(&plan), plan.price);
    }
}
