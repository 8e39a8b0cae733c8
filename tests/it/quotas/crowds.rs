//! Many requests at once against one budget.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{DESIGN, ONE, budget, is_spent, limited, setup, several};
use crate::support::{Answer, Harness, micro};

/// A wide place upstream: the budget is to be what limits.
fn wide() -> Value {
    json!({"evolink": {"max_tasks": 100}, "generation": {"queue_timeout": "60s"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_make_the_hundred_pictures_of_the_budget() {
    let house = setup(&budget(100, "images", "day")).config(&wide()).start().await;
    let answers = join_all((0..1_000).map(|number| {
        let house = &house;
        async move { house.draw(&format!("fox {number}")).await }
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), refused.len()), (100, 900));
    for answer in refused {
        let message = is_spent(answer);
        assert!(message.contains("100 images per day"), "{message}");
        assert!(message.ends_with("It begins anew at 2026-01-16 00:00 UTC."), "{message}");
    }
    house.has_tasks(100);
    assert_eq!(house.ledger().totals.create_calls, 100, "the others were never sent");
    assert_eq!(house.books().used(DESIGN, "images").await, 100 * ONE);
    let labels = ["team=\"design\"", "limit=\"budget_images\"", "mode=\"enforce\""];
    assert_eq!(house.metrics().await.sum("quota_rejections_total", &labels), 900.0);
    house.finish().await;
}

/// Requests of all sizes: n from 1 to 4, two qualities.
fn mixed(number: u32) -> Value {
    let quality = if number.is_multiple_of(5) { "medium" } else { "low" };
    json!({"prompt": format!("fox {number} [latency:100ms]"), "n": 1 + number % 4, "size": "816x816", "quality": quality})
}

/// Looks at the books while `work` is under way and once after it, and counts the looks: at no time may more than
/// `amount` be used and held.
async fn watched<T>(house: &Harness, unit: &str, amount: u64, work: impl Future<Output = T>) -> (T, usize) {
    let look = || {
        let (used, held) = house.books().standing(DESIGN, unit);
        assert!(used + held <= amount, "{used} used, {held} held of {amount}");
    };
    let (mut work, mut looks) = (std::pin::pin!(work), 0);
    loop {
        tokio::select! {
            done = &mut work => {
                look();
                return (done, looks);
            }
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {
                look();
                looks += 1;
            }
        }
    }
}

/// 150 mixed requests at once against a budget, then small ones one after the other until it is spent: what was held for
/// nothing can be used. The charge of the dearest small picture must be more than what is left.
async fn a_crowd_stays_within(unit: &str, amount: u64, micro_per_credit: f64) {
    let house = setup(&budget(amount, unit, "month")).config(&wide()).start().await;
    let crowd = join_all((0..150).map(|number| {
        let house = &house;
        async move { house.generate(mixed(number)).await }
    }));
    let (answers, looks) = watched(&house, unit, amount * ONE, crowd).await;
    assert!(looks > 5, "{looks} looks while the crowd was served");
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(made > 10 && made < 150, "{made} made");
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| drop(is_spent(answer)));
    let mut number = 0;
    let last: Answer = loop {
        number += 1;
        let (answer, _) = watched(&house, unit, amount * ONE, house.draw(&format!("owl {number}"))).await;
        house.books().rest().await;
        if answer.status != 200 {
            break answer;
        }
    };
    is_spent(&last);
    let ledger = house.ledger();
    let charged = ledger.totals.credits_charged * micro_per_credit / 1e6;
    let amount_whole = f64::from(u32::try_from(amount).unwrap());
    assert!(charged <= amount_whole, "{charged} of {amount}");
    let small = ledger.tasks.iter().filter(|task| task.prompt.starts_with("owl"));
    let dearest = small.map(|task| task.credits_reserved).fold(0.5, f64::max) * micro_per_credit / 1e6;
    assert!(amount_whole - charged < dearest + 0.001, "{charged} of {amount}, {dearest} for one");
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_credits_is_never_passed_and_can_be_used_up() {
    a_crowd_stays_within("credits", 100, ONE_CREDIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_dollars_is_never_passed_and_can_be_used_up() {
    a_crowd_stays_within("usd", 1, ONE_CREDIT / 68.0).await;
}

/// Millionths of the unit that one credit is.
const ONE_CREDIT: f64 = 1e6;

#[tokio::test]
async fn what_is_held_is_refused_to_others_until_it_is_given_back() {
    let house = limited(budget(2, "images", "day")).await;
    let failing = house.generate(several("a fox [latency:500ms] [fail:content_policy_violation]", 2));
    let meanwhile = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        let message = is_spent(&house.draw("an owl").await);
        assert!(message.contains("0 used, 2 held"), "{message}");
    };
    let (failed, ()) = tokio::join!(failing, meanwhile);
    failed.is_error(400, "image_generation_user_error", "moderation_blocked", false);
    house.books().rest().await;
    house.draw("an owl").await.picture();
    house.draw("a bear").await.picture();
    let message = is_spent(&house.draw("a cat").await);
    assert!(message.contains("2 used, 0 held") || message.contains("1 used, 1 held"), "{message}");
    house.has_tasks(4);
    house.finish().await;
}

#[tokio::test]
async fn all_budgets_must_have_room_and_one_without_takes_nothing_of_the_others() {
    let limits = json!({"budgets": [
        {"amount": 50, "unit": "images", "per": "day"},
        {"amount": 1, "unit": "images", "per": "month"},
        {"amount": 1000, "unit": "credits", "per": "day"},
    ]});
    let house = limited(limits).await;
    house.draw("a fox").await.picture();
    for prompt in ["an owl", "a bear"] {
        let message = is_spent(&house.draw(prompt).await);
        assert!(
            message.contains("1 images per month") && message.contains("2026-02-01 00:00 UTC"),
            "{message}"
        );
    }
    house.books().rest().await;
    let (used, _) = house.books().standing(DESIGN, "images");
    assert_eq!(used, 2 * ONE, "one of each budget of images");
    let credits = house.books().standing(DESIGN, "credits").0;
    assert_eq!(credits, micro(house.ledger().totals.credits_charged));
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn without_a_database_budgets_hold_for_the_process() {
    let house = setup(&budget(5, "images", "day")).forgetful().start().await;
    let answers = join_all((0..60).map(|number| {
        let house = &house;
        async move { house.draw(&format!("fox {number}")).await }
    }))
    .await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 5);
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| drop(is_spent(answer)));
    house.has_tasks(5);
    house.finish().await;
}
