//! What is refused eats nothing: neither of budgets nor of rates.

use super::super::super::*;
use super::super::fake::{MINUTE, after, options, plan, soon, wish};
use super::super::journal::Fickle;
use super::bench::{Bench, SECOND, Store, of_key, of_team, per_day};
use crate::evolink::{CallError, Refusal};
use crate::fault::FaultKind;
use crate::image::Plan;
use crate::quota::{Limits, Unit};

fn rated(limits: Limits) -> Limits {
    Limits { requests_per_minute: Some(100), images_per_minute: Some(100), ..limits }
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_refuses_and_nothing_is_taken_of_the_others_nor_of_the_rates() {
    for store in [Store::Embedded, Store::Memory] {
        let team = rated(of_team([per_day(Unit::Credits, 1_000), per_day(Unit::Images, 100)]));
        let key = of_key([per_day(Unit::Images, 4)]);
        let bench = Bench::with(options(), store, [team.clone(), key.clone()]);
        let _running = bench.begin(&plan("a fox", 3, &[])).await.unwrap();
        assert_eq!(bench.rates(), (99, 97));
        for _ in 0..5 {
            let fault = bench.begin(&plan("a bear", 2, &[])).await.map(drop).unwrap_err();
            assert_eq!(
                (fault.status(), fault.code(), fault.should_retry()),
                (429, "insufficient_quota", false)
            );
        }
        assert_eq!(bench.stands(&team, 1).await, (0.0, 3.0));
        assert_eq!(bench.stands(&key, 0).await, (0.0, 3.0));
        assert_eq!((bench.rates(), bench.figures().await.0), ((99, 97), 1));
        assert!(
            bench.told(r#"quota_rejections_total{limit="budget_images",mode="enforce",team="design"} 5"#)
        );
        assert!(bench.begin(&plan("a bear", 1, &[])).await.is_ok(), "what fits is let in");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_a_place_has_its_rates_back_as_far_as_they_are_not_there_again() {
    let team = rated(of_team([per_day(Unit::Images, 10)]));
    let waits = Options { max_tasks: 1, queue_timeout: SECOND, ..options() };
    let bench = Bench::with(waits, Store::Embedded, [team.clone()]);
    let _running = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
    let mut waiter = bench.begin(&plan("a bear", 2, &[])).await.unwrap();
    assert_eq!(bench.stands(&team, 0).await, (0.0, 3.0));
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::NoSlot);
    assert_eq!(bench.stands(&team, 0).await, (0.0, 1.0));
    assert_eq!(bench.rates(), (100, 100), "of both requests one has come back by itself");
}

#[tokio::test(start_paused = true)]
async fn only_what_the_clients_request_is_refused_for_stays_counted_in_the_rates() {
    let account = |refusal, status, code: &str| CallError::Refused {
        refusal,
        status,
        code: code.to_owned(),
        message: "no".to_owned(),
    };
    let table = [
        (account(Refusal::Account, 402, "insufficient_quota"), (100, 100)),
        (account(Refusal::BadRequest, 400, "invalid_parameters"), (99, 98)),
    ];
    for (error, rates) in table {
        let bench = Bench::new([rated(of_team([]))]);
        bench.fake.script().create_errors = vec![error; 2].into();
        let fault = bench.made(&plan("a fox", 2, &[])).await.unwrap_err();
        assert_eq!(bench.rates(), rates, "{fault}");
    }
    let bench = Bench::new([rated(of_team([]))]);
    bench.fake.script().failures = ["content_policy_violation"; 2].into();
    bench.fake.script().tasks_take = [Duration::ZERO].into();
    let mut waiter = bench.begin(&plan("a fox", 2, &[])).await.unwrap();
    assert_eq!(bench.rates(), (99, 98));
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::Moderation);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_has_taken_nothing() {
    let team = rated(of_team([per_day(Unit::Images, 10)]));
    let journal = Fickle::new();
    let bench = Bench::on(journal.clone(), journal.ledger(), options(), [team.clone()]);
    journal.admissions_fail.store(true, std::sync::atomic::Ordering::Relaxed);
    let fault = bench.begin(&plan("a fox", 2, &[])).await.map(drop).unwrap_err();
    assert_eq!((fault.kind(), bench.rates()), (FaultKind::Overloaded, (100, 100)));
    journal.admissions_fail.store(false, std::sync::atomic::Ordering::Relaxed);
    journal.admissions_take.store(100, std::sync::atomic::Ordering::Relaxed);
    let fox = plan("a fox", 2, &[]);
    assert_eq!(bench.begin(&fox).await.map(drop).unwrap_err().kind(), FaultKind::Overloaded);
    after(50 * SECOND).await;
    let mut waiter = bench.begin(&fox).await.unwrap();
    assert!(waiter.joined() && waiter.finished(soon()).await.is_ok());
    assert_eq!(bench.stands(&team, 0).await, (2.0, 0.0), "it was only late");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_rate_is_spent_cancels_nothing_by_its_leaving() {
    let team = Limits { requests_per_minute: Some(1), ..of_team([per_day(Unit::Images, 10)]) };
    let cancelling = Options { on_disconnect: OnDisconnect::Cancel, ..options() };
    let bench = Bench::with(cancelling, Store::Embedded, [team.clone()]);
    let fox = plan("a fox", 1, &[]);
    let mut first = bench.ask(&fox, Sharing::default()).await.unwrap();
    after(SECOND).await;
    first.told();
    drop(first);
    let fault = bench.ask(&fox, Sharing::default()).await.map(drop).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::RateLimited);
    after(30 * SECOND).await;
    assert!(bench.fake.script().cancels.is_empty());
    assert_eq!(bench.stands(&team, 0).await, (1.0, 0.0));
    assert!(
        bench.told(r#"quota_rejections_total{limit="requests_per_minute",mode="enforce",team="design"} 1"#)
    );
}

#[tokio::test(start_paused = true)]
async fn who_joins_what_is_refused_then_has_taken_nothing_either() {
    let team = rated(of_team([per_day(Unit::Images, 1)]));
    let journal = Fickle::new();
    let bench = Bench::on(journal.clone(), journal.ledger(), options(), [team.clone()]);
    let _running = bench.begin(&plan("a bear", 1, &[])).await.unwrap();
    journal.admissions_take.store(5, std::sync::atomic::Ordering::Relaxed);
    let fox = plan("a fox", 1, &[]);
    let asked = || bench.ask(&fox, Sharing::default());
    let (first, joined) = tokio::join!(asked(), asked());
    for refused in [first, joined] {
        assert_eq!(refused.map(drop).unwrap_err().kind(), FaultKind::BudgetSpent);
    }
    let (requests, hits, ..) = bench.figures().await;
    // Of what the running one took, five seconds have brought back eight.
    assert_eq!((requests, hits, bench.rates()), (1, 0, (100, 100)));
}

#[tokio::test(start_paused = true)]
async fn what_a_rate_refuses_gives_its_idempotency_key_to_nothing() {
    let team = Limits { requests_per_minute: Some(1), ..of_team([]) };
    let bench = Bench::new([team]);
    let (fox, bear) = (plan("a fox", 1, &[]), plan("a bear", 1, &[]));
    let named = Reuse { idempotency_key: IdempotencyKey::new("once"), ..Reuse::default() };
    let asked = |plan: &Arc<Plan>, reuse: &Reuse| {
        let limits = bench.quota.limits(&"design".into(), "ci");
        bench.generations.begin(Wish { limits, ..wish(plan, reuse.clone()) })
    };
    asked(&fox, &Reuse::default()).await.unwrap().finished(soon()).await.unwrap();
    let refused = asked(&fox, &named).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), FaultKind::RateLimited);
    after(MINUTE).await;
    assert!(asked(&bear, &named).await.is_ok(), "the key may still stand for another request");
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_as_spent_only_once_the_ends_that_clients_know_of_are_written() {
    let team = of_team([per_day(Unit::Images, 1)]);
    for (notes_take, let_in) in [(1, true), (60, false)] {
        let journal = Fickle::new();
        let bench = Bench::on(journal.clone(), journal.ledger(), options(), [team.clone()]);
        bench.fake.script().failures = ["content_policy_violation"].into_iter().collect();
        let mut refused = bench.begin(&plan("a fox", 1, &[])).await.unwrap();
        journal.notes_take.store(notes_take, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(refused.finished(soon()).await.unwrap_err().code(), "moderation_blocked");
        let second = bench.begin(&plan("a bear", 1, &[])).await;
        assert_eq!(second.is_ok(), let_in, "{notes_take} s");
    }
}
