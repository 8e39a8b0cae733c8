//! Budgets by the calendar of their zone, with a clock that the test moves.

use evolink_gateway::clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{DESIGN, ONE, is_spent, setup};
use crate::support::{Harness, small};

fn at(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_second()
}

/// One picture per window.
async fn one_per(per: &str, timezone: &str) -> (Harness, Clock) {
    let clock = Clock::fixed(0);
    let limits = json!({"budgets": [{"amount": 1, "unit": "images", "per": per, "timezone": timezone}]});
    (setup(&limits).clock(clock.clone()).start().await, clock)
}

/// At each instant the picture of a new window is made and a second one refused, or (false) already the first one.
async fn follows(per: &str, timezone: &str, instants: &[(&str, bool)]) {
    let (house, clock) = one_per(per, timezone).await;
    for (instant, fresh) in instants {
        clock.set(at(instant));
        if *fresh {
            let answer = house.draw(&format!("a fox of {instant}")).await;
            assert_eq!(answer.status, 200, "{timezone} {instant}: {}", answer.text());
        }
        let refused = house.draw(&format!("an owl of {instant}")).await;
        assert_eq!(refused.status, 429, "{timezone} {instant}");
        is_spent(&refused);
    }
    let fresh = instants.iter().filter(|(_, fresh)| *fresh).count();
    house.has_tasks(fresh);
    house.books().rest().await;
    let lines = house.books().lines();
    assert!(lines.iter().all(|line| line.used == ONE), "{lines:?}");
    assert_eq!(lines.len(), fresh);
    house.finish().await;
}

#[tokio::test]
async fn a_day_ends_at_midnight_of_its_zone() {
    let instants = [
        ("2026-11-22T12:00:00Z", true),
        ("2026-11-22T22:59:59Z", false),
        ("2026-11-22T23:00:00Z", true),
        ("2026-11-23T22:59:59Z", false),
        ("2026-11-24T05:00:00Z", true),
    ];
    follows("day", "Europe/Berlin", &instants).await;
    let instants =
        [("2026-11-22T23:59:59Z", true), ("2026-11-23T04:59:59Z", false), ("2026-11-23T05:00:00Z", true)];
    follows("day", "America/New_York", &instants).await;
}

#[tokio::test]
async fn a_month_ends_with_its_last_day() {
    let instants = [
        ("2026-01-31T12:00:00Z", true),
        ("2026-01-31T22:59:59Z", false),
        ("2026-01-31T23:00:00Z", true),
        ("2026-02-28T22:59:59Z", false),
        ("2026-02-28T23:00:00Z", true),
        // Summer time begins meanwhile: the month ends an hour earlier.
        ("2026-03-31T21:59:59Z", false),
        ("2026-03-31T22:00:00Z", true),
    ];
    follows("month", "Europe/Berlin", &instants).await;
}

#[tokio::test]
async fn days_of_23_and_25_hours_are_one_window_each() {
    let berlin = [
        ("2026-03-28T23:00:00Z", true),
        ("2026-03-29T21:59:59Z", false),
        ("2026-03-29T22:00:00Z", true),
        ("2026-10-24T22:00:00Z", true),
        ("2026-10-25T00:30:00Z", false),
        ("2026-10-25T01:30:00Z", false),
        ("2026-10-25T22:59:59Z", false),
        ("2026-10-25T23:00:00Z", true),
    ];
    follows("day", "Europe/Berlin", &berlin).await;
    let new_york = [
        ("2026-03-08T05:00:00Z", true),
        ("2026-03-09T03:59:59Z", false),
        ("2026-03-09T04:00:00Z", true),
        ("2026-11-01T04:00:00Z", true),
        ("2026-11-02T04:59:59Z", false),
        ("2026-11-02T05:00:00Z", true),
    ];
    follows("day", "America/New_York", &new_york).await;
}

#[tokio::test]
async fn a_clock_set_back_finds_the_window_it_had() {
    let instants = [
        ("2026-11-22T12:00:00Z", true),
        ("2026-11-23T00:30:00Z", true),
        ("2026-11-22T23:30:00Z", false),
        ("2026-11-23T00:00:00Z", false),
        ("2026-11-23T00:45:00Z", false),
        ("2026-11-24T00:00:00Z", true),
    ];
    follows("day", "UTC", &instants).await;
    // The hour that comes twice is two hours.
    let instants = [
        ("2026-10-25T00:10:00Z", true),
        ("2026-10-25T00:59:59Z", false),
        ("2026-10-25T01:10:00Z", true),
        ("2026-10-25T00:30:00Z", false),
        ("2026-10-25T02:00:00Z", true),
    ];
    follows("hour", "Europe/Berlin", &instants).await;
}

#[tokio::test]
async fn the_message_tells_the_end_of_the_window_by_the_clocks_of_its_zone() {
    let table: [(&str, &str, &str, &str); 4] = [
        ("day", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26 00:00 CET"),
        ("month", "America/New_York", "2026-03-01T12:00:00Z", "2026-04-01 00:00 EDT"),
        ("week", "Asia/Tokyo", "2026-11-22T12:00:00Z", "2026-11-23 00:00 JST"),
        ("minute", "UTC", "2026-11-22T12:00:30Z", "2026-11-22 12:01 UTC"),
    ];
    for (per, timezone, now, end) in table {
        let (house, clock) = one_per(per, timezone).await;
        clock.set(at(now));
        house.draw("a fox").await.picture();
        let message = is_spent(&house.draw("an owl").await);
        assert!(message.ends_with(&format!("It begins anew at {end}.")), "{message}");
        house.finish().await;
    }
    let (house, _) = one_per("total", "UTC").await;
    house.draw("a fox").await.picture();
    let message = is_spent(&house.draw("an owl").await);
    assert!(message.ends_with("It does not begin anew."), "{message}");
    house.finish().await;
}

#[tokio::test]
async fn what_was_admitted_before_midnight_is_used_on_that_day() {
    let (house, clock) = one_per("day", "UTC").await;
    let (before, after) = (at("2026-11-22T23:59:59Z"), at("2026-11-23T00:00:01Z"));
    clock.set(before);
    let body: Value = small("a fox [latency:500ms]");
    let late = house.generate(body);
    let meanwhile = async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        clock.set(after);
        house.draw("an owl").await.picture();
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    late.picture();
    house.books().rest().await;
    let days: Vec<(i64, u64)> =
        house.books().lines().iter().map(|line| (line.start_ms / 1000, line.used)).collect();
    assert_eq!(days, [(at("2026-11-22T00:00:00Z"), ONE), (at("2026-11-23T00:00:00Z"), ONE)]);
    assert_eq!(house.books().standing(DESIGN, "images"), (2 * ONE, 0));
    clock.set(before);
    is_spent(&house.draw("a bear").await);
    house.finish().await;
}
