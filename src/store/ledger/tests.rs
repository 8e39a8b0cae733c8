//! The ledger against a model of it.

use std::collections::HashMap;

use proptest::prelude::*;

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
    assert_eq!(hold(&db, "1", &[wide(3), narrow(3)], 0).unwrap(), None);
    let exceeded = hold(&db, "2", &[wide(1), narrow(1)], 0).unwrap();
    assert_eq!(exceeded, Some(Exceeded { demand: 1, used: 0, held: 3 }));
    assert_eq!(stands(&db, &team, 0).unwrap(), (0, 3), "what was refused holds nothing");
    assert_eq!(hold(&db, "3", &[wide(7)], 0).unwrap(), None);
    assert!(hold(&db, "4", &[wide(1)], 0).unwrap().is_some());
}

#[test]
fn an_end_settles_once_in_the_window_of_the_admission() {
    let db = database();
    let credits = budget("team:a", Unit::Credits, true);
    let usd = budget("team:a", Unit::Usd, false);
    let demands = [demand(credits.clone(), 7, 500, 1000), demand(usd.clone(), 7, 1, 0)];
    assert_eq!(hold(&db, "1", &demands, 0).unwrap(), None, "a shadow never refuses");
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
    assert_eq!(raise(&db, "1", Spent { images: 1, micro_credits: 150 }, PER_USD).unwrap(), 140);
    assert_eq!(raise(&db, "1", Spent { images: 1, micro_credits: 20 }, PER_USD).unwrap(), 0);
    assert_eq!(stands(&db, &credits, 0).unwrap(), (0, 150));
    assert!(hold(&db, "2", &[demand(credits.clone(), 0, 1, 100)], 0).unwrap().is_some());
    settle(&db, "1", Spent::default(), PER_USD).unwrap();
    assert_eq!(stands(&db, &credits, 0).unwrap(), (0, 0));
}

#[test]
fn dollars_are_rounded_up_to_a_millionth() {
    let usd = |micro_credits| Spent { images: 1, micro_credits }.in_unit(Unit::Usd, PER_USD);
    assert_eq!([usd(0), usd(1), usd(68), usd(69), usd(68_000_000)], [0, 1, 1, 2, 1_000_000]);
}

#[derive(Debug, Clone)]
enum Step {
    Hold {
        account: usize,
        images: u64,
        credits: u64,
    },
    Raise {
        which: usize,
        credits: u64,
    },
    End {
        which: usize,
        images: u64,
        credits: u64,
    },
    /// The next window.
    Roll,
    Limit {
        images: u64,
        credits: u64,
    },
    /// A transaction that is not kept.
    Crash {
        credits: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..2, 1_u64..5, 1_u64..50).prop_map(|(account, images, credits)| Step::Hold { account, images, credits }),
        1 => (any::<usize>(), 1_u64..90).prop_map(|(which, credits)| Step::Raise { which, credits }),
        3 => (any::<usize>(), 0_u64..5, 0_u64..60).prop_map(|(which, images, credits)| Step::End { which, images, credits }),
        1 => Just(Step::Roll),
        1 => (1_u64..30, 1_u64..300).prop_map(|(images, credits)| Step::Limit { images, credits }),
        1 => (1_u64..50).prop_map(|credits| Step::Crash { credits }),
    ]
}

/// What the ledger should say, kept the simple way.
#[derive(Default)]
struct Model {
    used: HashMap<(String, i64), u64>,
    open: Vec<(String, i64, Vec<(BudgetId, u64)>)>,
}

impl Model {
    fn name(budget: &BudgetId) -> String {
        format!("{} {}", budget.account, budget.unit.name())
    }

    fn held(&self, budget: &BudgetId, start: i64) -> u64 {
        let mine = self.open.iter().filter(|(_, window, _)| *window == start);
        mine.flat_map(|(.., holds)| holds).filter(|(held, _)| held == budget).map(|(_, amount)| amount).sum()
    }

    fn used(&self, budget: &BudgetId, start: i64) -> u64 {
        self.used.get(&(Self::name(budget), start)).copied().unwrap_or(0)
    }
}

proptest! {
    #[test]
    fn any_course_keeps_used_and_held_within_the_amount_at_every_admission_and_ends_exact(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let (mut db, mut model) = (database(), Model::default());
        let (mut window, mut limits, mut next) = (0_i64, (20_u64, 200_u64), 0_u32);
        let budgets = |account: usize| {
            let account = ["team:a", "team:b"][account];
            [budget(account, Unit::Images, true), budget(account, Unit::Credits, true)]
        };
        let demands = |account: usize, images: u64, credits: u64, limits: (u64, u64), window: i64| {
            let [by_image, by_credit] = budgets(account);
            [demand(by_image, window, images * 1_000_000, limits.0 * 1_000_000), demand(by_credit, window, credits, limits.1)]
        };
        for step in steps {
            match step {
                Step::Hold { account, images, credits } => {
                    next += 1;
                    let asked = demands(account, images, credits, limits, window);
                    let room = asked.iter().all(|demand| {
                        model.used(&demand.budget, window) + model.held(&demand.budget, window) + demand.amount <= demand.limit
                    });
                    let refused = hold(&db, &next.to_string(), &asked, 0).unwrap();
                    prop_assert_eq!(refused.is_none(), room);
                    if room {
                        let held = asked.map(|demand| (demand.budget, demand.amount));
                        model.open.push((next.to_string(), window, held.into()));
                    }
                }
                Step::Raise { which, credits } if !model.open.is_empty() => {
                    let at = which % model.open.len();
                    let (id, _, holds) = &mut model.open[at];
                    raise(&db, id, Spent { images: 0, micro_credits: credits }, PER_USD).unwrap();
                    for (budget, amount) in holds {
                        if budget.unit == Unit::Credits {
                            *amount = credits.max(*amount);
                        }
                    }
                }
                Step::End { which, images, credits } if !model.open.is_empty() => {
                    let (id, start, holds) = model.open.swap_remove(which % model.open.len());
                    let spent = Spent { images, micro_credits: credits };
                    settle(&db, &id, spent, PER_USD).unwrap();
                    settle(&db, &id, Spent { images: 9, micro_credits: 9 }, PER_USD).unwrap();
                    for (budget, _) in holds {
                        *model.used.entry((Model::name(&budget), start)).or_default() += spent.in_unit(budget.unit, PER_USD);
                    }
                }
                Step::Raise { .. } | Step::End { .. } => {}
                Step::Roll => window += 1,
                Step::Limit { images, credits } => limits = (images, credits),
                Step::Crash { credits } => {
                    let lost = db.transaction().unwrap();
                    hold(&lost, "lost", &demands(0, 1, credits, (999, 999), window), 0).unwrap();
                    if let Some((id, ..)) = model.open.first() {
                        settle(&lost, id, Spent { images: 1, micro_credits: credits }, PER_USD).unwrap();
                    }
                    drop(lost);
                }
            }
            for account in 0..2 {
                for budget in budgets(account) {
                    for start in 0..=window {
                        let expected = (model.used(&budget, start), model.held(&budget, start));
                        prop_assert_eq!(stands(&db, &budget, start).unwrap(), expected);
                    }
                }
            }
        }
        for (id, ..) in std::mem::take(&mut model.open) {
            settle(&db, &id, Spent::default(), PER_USD).unwrap();
        }
        let held: i64 = db.query_row("SELECT coalesce(sum(held), 0) + (SELECT count(*) FROM holds) FROM windows", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(held, 0);
    }
}
