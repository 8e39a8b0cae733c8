//! What upstream charges beyond what was held.

use evolink_gateway::clock::Clock;
use futures_util::future::join_all;

use super::{DESIGN, NOON, ONE, budget, is_spent, setup};
use crate::support::micro;

const DAY: i64 = 24 * 3_600;

#[tokio::test]
async fn a_charge_beyond_the_hold_is_booked_and_counted_keeps_others_out_and_ends_with_its_window() {
    let clock = Clock::fixed(NOON);
    let house = setup(&budget(1, "credits", "day")).clock(clock.clone()).start().await;
    let three = join_all((0..3).map(|number| {
        let house = &house;
        async move { house.draw(&format!("fox {number} [latency:800ms] [done:overcharged]")).await }
    }));
    let meanwhile = async {
        house.until("three tasks", |ledger| ledger.tasks.len() == 3).await;
        let (used, held) = house.books().standing(DESIGN, "credits");
        assert!(used == 0 && held <= ONE, "{used} {held}");
        held
    };
    let (answers, held) = tokio::join!(three, meanwhile);
    for answer in &answers {
        answer.picture();
    }
    let used = house.books().used(DESIGN, "credits").await;
    assert_eq!(used, micro(house.ledger().totals.credits_charged));
    assert!(used > ONE, "each costs twice what was reserved: {used}");
    let message = is_spent(&house.draw("an owl").await);
    assert!(message.contains("(1 credits per day)"), "{message}");
    let counted = micro(house.metrics().await.sum("quota_overshoot_credits_total", &[]));
    assert_eq!(counted, used - held, "what came on top of {held}");
    // The next day begins at 0. What such pictures have cost lately is held for each now: there is room for two.
    clock.set(NOON + DAY);
    let again = ["a bear", "a cat", "a dog"]
        .map(async |name| house.draw(&format!("{name} [latency:800ms]")).await.status);
    let mut statuses = join_all(again).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(micro(house.metrics().await.sum("quota_overshoot_credits_total", &[])), counted);
    house.finish().await;
}
