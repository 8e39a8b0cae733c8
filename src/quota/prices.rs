//! What pictures have cost lately: a hold that only follows the price table would be too low when the table is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::image::{Pixels, Plan, TaskClass};
use crate::money::Credits;

/// Settlements remembered of each kind of picture.
const REMEMBERED: usize = 20;
/// Kinds of pictures remembered; one more, and all are forgotten.
const KINDS_MAX: usize = 4_096;

type Kind = (TaskClass, Pixels);

/// The latest settlements by model, quality and size.
#[derive(Debug, Default)]
pub struct Prices(Mutex<HashMap<Kind, VecDeque<Credits>>>);

impl Prices {
    /// An image of this plan was settled with so much.
    pub fn settled(&self, plan: &Plan, credits: Credits) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (plan.class.clone(), plan.expected);
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&kind) {
            kinds.clear();
        }
        let latest = kinds.entry(kind).or_default();
        if latest.len() >= REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(credits);
    }

    /// What is to be held for one image: the table's price, or the dearest of the latest like it.
    pub fn hold(&self, plan: &Plan) -> Credits {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = kinds.get(&(plan.class.clone(), plan.expected));
        latest.into_iter().flatten().copied().fold(plan.price, Credits::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::image::{ImageRequest, Quality};

    #[test]
    fn the_dearest_of_the_latest_is_held_if_it_is_above_the_table() {
        let plan_of = |quality| {
            let mut request = ImageRequest::new("a fox");
            request.quality = Some(quality);
            Catalog::default().plan(request, false).unwrap()
        };
        let (plan, other) = (plan_of(Quality::Low), plan_of(Quality::High));
        let prices = Prices::default();
        let dear = Credits::from_micro(plan.price.micro() * 3);
        prices.settled(&plan, Credits::from_micro(1));
        assert_eq!(prices.hold(&plan), plan.price);
        prices.settled(&plan, dear);
        assert_eq!((prices.hold(&plan), prices.hold(&other)), (dear, other.price));
        for _ in 0..REMEMBERED {
            prices.settled(&plan, Credits::from_micro(1));
        }
        assert_eq!(prices.hold(&plan), plan.price, "what was long ago is forgotten");
    }
}
