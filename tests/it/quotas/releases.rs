//! How generations end, and what their holds become: nothing is left of them, and used is what upstream charged.

use evolink_gateway::simulator::TaskView;
use http::Method;
use serde_json::{Value, json};

use super::{DESIGN, ONE, ample, budget, is_spent, limited, setup, several};
use crate::support::{Answer, FormBody, Harness, form, micro, small};

/// Waits for rest; then each unit must have been used as upstream has it, `images` pictures among it.
async fn comes_to(house: &Harness, images: u64) {
    house.books().rest().await;
    let ledger = house.ledger();
    let charged = micro(ledger.totals.credits_charged);
    let used = |unit| house.books().standing(DESIGN, unit).0;
    assert_eq!((used("images"), used("credits")), (images * ONE, charged), "{:?}", ledger.totals);
    // Each generation's dollars are rounded up to the millionth.
    let (dollars, at_least) = (used("usd"), charged.div_ceil(68));
    let generations = u64::try_from(ledger.tasks.len()).unwrap();
    assert!((at_least..=at_least + generations).contains(&dollars), "{dollars} of {at_least}");
}

/// Rests with these budgets and settings, after `work`, with so many pictures used.
async fn after(settings: Value, images: u64, work: impl AsyncFnOnce(&Harness)) {
    let house = setup(&ample()).config(&settings).start().await;
    work(&house).await;
    house
        .until_metrics("its end", |metrics| {
            metrics.sum("running_generations", &[]) + metrics.sum("queued_generations", &[]) == 0.0
        })
        .await;
    comes_to(&house, images).await;
    house.finish().await;
}

fn failed(answer: &Answer, code: &str) {
    assert_eq!(answer.error("code"), code, "{}", answer.text());
}

#[tokio::test]
async fn pictures_made_are_used() {
    after(json!({}), 4, async |house| {
        house.draw("a fox").await.picture();
        assert_eq!(house.generate(several("an owl", 3)).await.pictures().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_fails_costs_nothing() {
    after(json!({}), 0, async |house| {
        let endings = [
            ("fail:service_error", "service_error"),
            ("fail:content_policy_violation", "moderation_blocked"),
            ("fail:invalid_parameters", "invalid_value"),
            ("done:cancelled", "request_cancelled"),
            ("create:400", "invalid_value"),
            ("create:402", "upstream_account_error"),
            ("create:429;retry-after=45", "upstream_unavailable"),
        ];
        for (fault, code) in endings {
            failed(&house.draw(&format!("a fox [{fault}]")).await, code);
        }
    })
    .await;
}

#[tokio::test]
async fn an_edit_whose_picture_cannot_be_uploaded_costs_nothing() {
    after(json!({}), 0, async |house| {
        house.simulator.script("files:quota".parse().unwrap());
        let form = FormBody::small("a fox").file("image", &form::png(512, 512, 1));
        let answer = house.edit(form).await;
        assert!([502, 503].contains(&answer.status), "{}", answer.text());
        house.has_tasks(0);
    })
    .await;
}

#[tokio::test]
async fn of_an_answer_in_part_the_part_is_used() {
    after(json!({}), 2, async |house| {
        let answer = house.generate(several("a fox [fail:service_error*1]", 3)).await;
        assert_eq!(answer.header("x-gateway-partial"), Some("2/3"));
        assert_eq!(answer.pictures().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_was_charged_is_used_however_it_was_told_and_delivered() {
    let faults = [
        "done:no-links",
        "media:404",
        "done:result_data",
        "done:overcharged",
        "create:terminal",
        "poll:backwards*2",
        "poll:unknown-status*1",
        "poll:cut*1",
        "poll:malformed*1",
    ];
    after(json!({}), u64::try_from(faults.len()).unwrap(), async |house| {
        for fault in faults {
            let answer = house.draw(&format!("a fox [{fault}]")).await;
            assert!([200, 502].contains(&answer.status), "{fault}: {}", answer.text());
        }
        let completed = |task: &TaskView| task.status == "completed" && task.credits_charged > 0.0;
        assert!(house.ledger().tasks.iter().all(completed), "each was made");
        house.has_tasks(faults.len());
    })
    .await;
}

#[tokio::test]
async fn a_task_bought_again_after_a_failure_is_used_once() {
    after(json!({"generation": {"attempts": 3}}), 1, async |house| {
        house.draw("a fox [fail:service_error*1]").await.picture();
        house.has_tasks(2);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_has_used_what_is_made_for_it() {
    after(json!({}), 1, async |house| leave(house, "a fox [latency:300ms]").await).await;
}

/// Closes the connection as soon as there is a task.
async fn leave(house: &Harness, prompt: &str) {
    let asked = house.generation(small(prompt)).send();
    let left = tokio::select! {
        _ = asked => false,
        _ = house.until("a task", |ledger| !ledger.tasks.is_empty()) => true,
    };
    assert!(left, "the answer came too early");
}

#[tokio::test]
async fn a_client_that_leaves_before_a_cancel_has_used_nothing() {
    after(json!({"generation": {"on_disconnect": "cancel"}}), 0, async |house| {
        leave(house, "a fox [latency:20s]").await;
        house.until("a cancel", |ledger| ledger.tasks[0].status == "cancelled").await;
    })
    .await;
}

#[tokio::test]
async fn a_deadline_ends_no_hold_and_the_end_settles_it() {
    after(json!({"server": {"deadline": "200ms"}}), 1, async |house| {
        let answer = house.draw("a fox [latency:1s]").await;
        answer.is_error(504, "timeout_error", "generation_timeout", true);
        let (used, held) = house.books().standing(DESIGN, "images");
        assert_eq!((used, held), (0, ONE), "it goes on");
    })
    .await;
}

#[tokio::test]
async fn of_several_pictures_that_nobody_wants_any_more_those_bought_are_used() {
    for on_disconnect in ["finish", "cancel"] {
        let settings = json!({"evolink": {"max_tasks": 1}, "generation": {"on_disconnect": on_disconnect}});
        let house = setup(&ample()).config(&settings).start().await;
        let asked = house.generation(several("a fox [latency:300ms]", 3)).send();
        let left = tokio::select! {
            _ = asked => false,
            // One is made, the second under way.
            _ = house.until("a second task", |ledger| ledger.tasks.len() == 2) => true,
        };
        assert!(left, "the answer came too early");
        house.until_metrics("its end", |metrics| metrics.sum("running_generations", &[]) == 0.0).await;
        let made = house.ledger().tasks.iter().filter(|task| task.status == "completed").count();
        assert!(made > 0);
        comes_to(&house, u64::try_from(made).unwrap()).await;
        house.finish().await;
    }
}

#[tokio::test]
async fn of_several_pictures_taken_back_those_bought_are_used() {
    after(json!({"evolink": {"max_tasks": 1}}), 1, async |house| {
        let asked = house.generation(several("a fox [latency:300ms]", 3)).header("prefer", "respond-async");
        let answer = house.send(asked).await;
        let path = answer.header("location").unwrap();
        house.until("the first", |ledger| ledger.tasks.len() == 2).await;
        house.send(house.ask(Method::DELETE, path)).await.is_ok();
        house.until("a cancel", |ledger| ledger.tasks[1].status == "cancelled").await;
        house.has_tasks(2);
    })
    .await;
}

/// A promised generation that is taken back while its task runs.
async fn taken_back(house: &Harness, prompt: &str) {
    let asked = house.generation(small(prompt)).header("prefer", "respond-async");
    let answer = house.send(asked).await;
    assert_eq!(answer.status, 202);
    house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
    let path = answer.header("location").unwrap();
    house.send(house.ask(Method::DELETE, path)).await.is_ok();
}

#[tokio::test]
async fn what_is_taken_back_and_cancelled_costs_nothing() {
    after(json!({}), 0, async |house| {
        taken_back(house, "a fox [latency:20s]").await;
        house.until("a cancel", |ledger| ledger.tasks[0].status == "cancelled").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_back_too_late_costs_what_was_charged() {
    let seldom = json!({"evolink": {"poll": {"min": "2s"}}});
    after(seldom, 1, async |house| {
        let asked = house.generation(small("a fox [latency:50ms]")).header("prefer", "respond-async");
        let answer = house.send(asked).await;
        house.until("its end", |ledger| ledger.tasks.iter().any(|task| task.status == "completed")).await;
        house.send(house.ask(Method::DELETE, answer.header("location").unwrap())).await.is_ok();
    })
    .await;
}

#[tokio::test]
async fn lost_and_hanging_answers_of_creates_are_used_once() {
    let patience = json!({"evolink": {"create_patience": "3s"}});
    after(patience, 3, async |house| {
        for fault in ["lost*1", "hang*1", "malformed*1"] {
            house.draw(&format!("a fox [create:{fault}]")).await.picture();
        }
        house.has_tasks(3);
    })
    .await;
}

#[tokio::test]
async fn a_create_in_doubt_is_held_until_it_is_known() {
    let patience = json!({"evolink": {"create_patience": "400ms"}});
    after(patience, 1, async |house| {
        let answer = house.draw("a fox [create:lost*2]").await;
        answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
        assert_eq!(house.books().standing(DESIGN, "images"), (0, ONE), "bought, perhaps");
        house.until("its end", |ledger| ledger.tasks.iter().any(|task| task.status == "completed")).await;
    })
    .await;
}

#[tokio::test]
async fn a_charge_above_the_reservation_is_booked_where_it_was_held() {
    after(json!({}), 1, async |house| {
        house.draw("a fox [done:overcharged]").await.picture();
    })
    .await;
}

#[tokio::test]
async fn hits_and_joins_cost_nothing() {
    let house = limited(ample()).await;
    let prompt = "a fox [latency:300ms]";
    let (first, second) = tokio::join!(house.draw(prompt), house.draw(prompt));
    let third = house.draw(prompt).await;
    let cost = |answer: &Answer| answer.header("x-gateway-credits").unwrap().parse::<f64>().unwrap();
    let costs = [&first, &second, &third].map(cost);
    assert_eq!(micro(costs.iter().sum()), micro(house.ledger().totals.credits_charged));
    assert_eq!((cost(&third), costs.iter().filter(|cost| **cost > 0.0).count()), (0.0, 1));
    comes_to(&house, 1).await;
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_spent_budget_keeps_nobody_from_what_is_there() {
    let house = limited(budget(1, "images", "day")).await;
    let first = house.draw("a fox").await.picture();
    is_spent(&house.draw("an owl").await);
    assert_eq!(house.draw("a fox").await.picture(), first);
    let anew = house.generation(small("a fox")).header("cache-control", "no-cache");
    is_spent(&house.send(anew).await);
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn what_is_given_up_in_doubt_is_held_no_longer() {
    let settings = json!({
        "evolink": {"create_patience": "600ms", "idempotency_window": "2s"},
        "generation": {"replay": "3s"},
    });
    // Its answers never come, and the list of tasks is not there to ask.
    let setup = setup(&ample()).config(&settings).simulator(|options| options.list = false);
    let house = setup.start().await;
    let answer = house.draw("a fox [create:500]").await;
    answer.is_error(502, "upstream_error", "upstream_outcome_unknown", true);
    assert_eq!(house.books().standing(DESIGN, "images"), (0, ONE), "bought, perhaps");
    comes_to(&house, 0).await;
    house.finish().await;
}
