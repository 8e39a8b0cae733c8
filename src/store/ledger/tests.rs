//! The ledger step by step, in any course, and under a crowd.

mod courses;
mod crowd;

use super::*;
use crate::quota::Period;

const PER_USD: u64 = 68_000_000;

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("PRAGMA foreign_keys = ON;").unwrap();
    db.execute_batch(include_str!("../schema/1.sql")).unwrap();
    db.execute_batch(include_str!("../schema/2.sql")).unwrap();
    db
}

fn budget(account: &str, unit: Unit, enforced: bool) -> BudgetId {
    BudgetId { account: account.into(), unit, period: Period::Day, timezone: "UTC".into(), enforced }
}

fn demand(budget: BudgetId, start_ms: i64, amount: u64, limit: u64) -> Demand {
    Demand { budget, start_ms, amount, limit }
}

/// Used and held.
fn stands(db: &Connection, budget: &BudgetId, start_ms: i64) -> Result<(u64, u64)> {
    read(db, budget, start_ms).map(|standing| (standing.used, standing.held))
}

#[test]
fn all_budgets_are_held_or_none() {
    let db = database();
    let (team, key) = (budget("team:a", Unit::Images, true), budget("key:a/ci", Unit::Images, true));
    let wide = |amount| demand(team.clone(), 0, amount, 10);
    let narrow = |amount| demand(key.clone(), 0, amount, 3);
    assert_eq!(hold(&db, "1", &[wide(3), narrow(3)], 0).unwrap(), []);
    let exceeded = hold(&db, "2", &[wide(1), narrow(1)], 0).unwrap_err();
    assert!(matches!(exceeded, StoreError::Exceeded(Exceeded { demand: 1, used: 0, held: 3 })));
    assert_eq!(stands(&db, &team, 0).unwrap(), (0, 3), "what was refused holds nothing");
    assert_eq!(hold(&db, "3", &[wide(7)], 0).unwrap(), []);
    assert!(hold(&db, "4", &[wide(1)], 0).is_err());
    assert_eq!(held(&db, "1").unwrap(), [(Unit::Images, 3), (Unit::Images, 3)]);
}

#[test]
fn an_end_settles_once_in_the_window_of_the_admission() {
    let db = database();
    let credits = budget("team:a", Unit::Credits, true);
    let usd = budget("team:a", Unit::Usd, false);
    let demands = [demand(credits.clone(), 7, 500, 1000), demand(usd.clone(), 7, 1, 0)];
    let over = Exceeded { demand: 1, used: 0, held: 0 };
    assert_eq!(hold(&db, "1", &demands, 0).unwrap(), [over], "a shadow never refuses, and tells");
    let spent = Spent { images: 1, micro_credits: 68 };
    for _ in 0..2 {
        settle(&db, "1", spent, PER_USD).unwrap();
    }
    assert_eq!(stands(&db, &credits, 7).unwrap(), (68, 0));
    assert_eq!(stands(&db, &usd, 7).unwrap(), (1, 0));
    assert_eq!(stands(&db, &credits, 8).unwrap(), (0, 0));
}

#[test]
fn a_raise_blocks_what_comes_after_it() {
    let db = database();
    let credits = budget("team:a", Unit::Credits, true);
    hold(&db, "1", &[demand(credits.clone(), 0, 10, 100)], 0).unwrap();
    for micro_credits in [150, 20, 150] {
        raise(&db, "1", Spent { images: 1, micro_credits }, PER_USD).unwrap();
    }
    assert_eq!(stands(&db, &credits, 0).unwrap(), (0, 150));
    assert!(hold(&db, "2", &[demand(credits.clone(), 0, 1, 100)], 0).is_err());
    settle(&db, "1", Spent::default(), PER_USD).unwrap();
    assert_eq!(stands(&db, &credits, 0).unwrap(), (0, 0));
}

#[test]
fn dollars_are_rounded_up_to_a_millionth() {
    let usd = |micro_credits| Spent { images: 1, micro_credits }.in_unit(Unit::Usd, PER_USD);
    assert_eq!([usd(0), usd(1), usd(68), usd(69), usd(68_000_000)], [0, 1, 1, 2, 1_000_000]);
}

#[test]
fn windows_are_swept_when_nobody_asks_for_them_any_more() {
    let db = database();
    let day = budget("team:a", Unit::Images, true);
    let ever = BudgetId { period: Period::Total, ..day.clone() };
    let now_ms = KEPT_MS * 2;
    for (generation, budget, start_ms) in [("1", &day, 0), ("2", &day, now_ms), ("3", &ever, i64::MIN)] {
        hold(&db, generation, &[demand(budget.clone(), start_ms, 1_000_000, 9_000_000)], 0).unwrap();
    }
    let all = || {
        [(&day, 0), (&day, now_ms), (&ever, i64::MIN)]
            .map(|(budget, start)| stands(&db, budget, start).unwrap())
    };
    sweep(&db, now_ms, 100).unwrap();
    assert_eq!(all(), [(0, 1_000_000); 3], "what is held stays");
    for generation in ["1", "2", "3"] {
        settle(&db, generation, Spent { images: 1, micro_credits: 0 }, PER_USD).unwrap();
    }
    sweep(&db, now_ms, 100).unwrap();
    assert_eq!(all(), [(0, 0), (1_000_000, 0), (1_000_000, 0)]);
}
