//! Any course of holds, raises, ends, windows, reloads and crashes, against a model kept the simple way.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::store::Engine;

#[derive(Debug, Clone, Copy)]
enum Step {
    Hold {
        team: usize,
        images: u64,
        credits: u64,
    },
    /// One that runs is known to cost so much.
    Raise {
        which: usize,
        credits: u64,
    },
    End {
        which: usize,
        images: u64,
        credits: u64,
    },
    Release {
        which: usize,
    },
    /// The next day.
    Roll,
    /// A reload with other amounts.
    Limit {
        images: u64,
        credits: u64,
    },
    /// A reload in which a budget goes, or comes back.
    Toggle {
        budget: usize,
    },
    /// The process dies in the middle of a transaction.
    Crash {
        which: usize,
        credits: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..2, 1_u64..5, 1_u64..50).prop_map(|(team, images, credits)| Step::Hold { team, images, credits }),
        1 => (any::<usize>(), 1_u64..90).prop_map(|(which, credits)| Step::Raise { which, credits }),
        3 => (any::<usize>(), 0_u64..5, 0_u64..60).prop_map(|(which, images, credits)| Step::End { which, images, credits }),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => Just(Step::Roll),
        1 => (1_u64..30, 1_u64..300).prop_map(|(images, credits)| Step::Limit { images, credits }),
        1 => (0_usize..4).prop_map(|budget| Step::Toggle { budget }),
        1 => (any::<usize>(), 1_u64..50).prop_map(|(which, credits)| Step::Crash { which, credits }),
    ]
}

/// A budget's window.
type Place = (BudgetId, i64);

/// What the ledger should say.
#[derive(Default)]
struct Model {
    used: HashMap<Place, u64>,
    open: Vec<(String, Vec<(Place, u64)>)>,
    seen: HashSet<Place>,
}

impl Model {
    fn stands(&self, place: &Place) -> (u64, u64) {
        let holds = self.open.iter().flat_map(|(_, holds)| holds);
        let held = holds.filter(|(held, _)| held == place).map(|(_, amount)| amount).sum();
        (self.used.get(place).copied().unwrap_or(0), held)
    }

    fn has_room(&self, demand: &Demand) -> bool {
        let (used, held) = self.stands(&(demand.budget.clone(), demand.start_ms));
        used + held + demand.amount <= demand.limit
    }

    fn end(&mut self, which: usize, spent: Spent) -> String {
        let (generation, holds) = self.open.swap_remove(which % self.open.len());
        for (place, _) in holds {
            *self.used.entry(place.clone()).or_default() += spent.in_unit(place.0.unit, PER_USD);
        }
        generation
    }
}

/// Limits as they are now, and the ledger on a disk.
struct Bench {
    runtime: Runtime,
    folder: TempDir,
    engine: Option<Engine>,
    day: i64,
    images: u64,
    credits: u64,
    off: HashSet<usize>,
    next: u32,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Some(Engine::open(folder.path()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let off = HashSet::new();
        Self { runtime, folder, engine, day: 0, images: 20, credits: 200, off, next: 0 }
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.runtime.block_on(self.engine.as_ref().unwrap().write(work))
    }

    /// Budgets of days, for ever, and in shadow, as far as they are in force.
    fn demands(&self, team: usize, images: u64, micro_credits: u64) -> Vec<Demand> {
        let spent = Spent { images, micro_credits };
        let account = ["team:a", "team:b"][team];
        let ever = BudgetId { period: Period::Total, ..budget("key:a/ci", Unit::Credits, true) };
        let all = [
            (budget(account, Unit::Images, true), self.day, self.images * 1_000_000),
            (budget(account, Unit::Credits, true), self.day, self.credits),
            (ever, i64::MIN, self.credits * 3),
            (budget(account, Unit::Usd, false), self.day / 3, 1),
        ];
        let on = all.into_iter().enumerate().filter(|(at, _)| !self.off.contains(at));
        on.map(|(_, (budget, start_ms, limit))| {
            let amount = spent.in_unit(budget.unit, PER_USD);
            Demand { budget, start_ms, amount, limit }
        })
        .collect()
    }

    /// What of the files is there at a moment at which a transaction is open is all that the next process finds.
    fn crash(&mut self, which: Option<String>, credits: u64) {
        let (left, from) = (tempfile::tempdir().unwrap(), self.folder.path().to_path_buf());
        let (to, demands) = (left.path().to_path_buf(), self.demands(0, 1, credits));
        let _ = self.write(move |db| {
            let _ = hold(db, "lost", &demands, 0);
            if let Some(generation) = which {
                settle(db, &generation, Spent { images: 1, micro_credits: credits }, PER_USD)?;
            }
            for name in ["state.db", "state.db-wal"] {
                std::fs::copy(from.join(name), to.join(name)).unwrap();
            }
            Ok(())
        });
        self.engine = None;
        self.folder = left;
        self.engine = Some(Engine::open(self.folder.path()).unwrap());
    }

    fn hold(&mut self, model: &mut Model, team: usize, images: u64, credits: u64) -> TestCaseResult {
        self.next += 1;
        let (name, demands) = (self.next.to_string(), self.demands(team, images, credits));
        let enforced = |demand: &&Demand| demand.budget.enforced;
        let room = demands.iter().filter(enforced).all(|demand| model.has_room(demand));
        let (generation, asked) = (name.clone(), demands.clone());
        let outcome = self.write(move |db| hold(db, &generation, &asked, 0));
        prop_assert_eq!(outcome.is_ok(), room, "{:?}", outcome);
        let Ok(over) = outcome else { return Ok(()) };
        let passed = demands.iter().enumerate().filter(|(_, demand)| !model.has_room(demand));
        let passed: Vec<usize> = passed.map(|(at, _)| at).collect();
        prop_assert_eq!(over.into_iter().map(|over| over.demand).collect::<Vec<_>>(), passed);
        for demand in demands.iter().filter(enforced) {
            let (id, start) = (demand.budget.clone(), demand.start_ms);
            let (used, held) = self.write(move |db| stands(db, &id, start)).unwrap();
            prop_assert!(used + held <= demand.limit, "{used} + {held} of {demand:?}");
        }
        let places = demands.into_iter().map(|demand| ((demand.budget, demand.start_ms), demand.amount));
        let holds: Vec<_> = places.collect();
        model.seen.extend(holds.iter().map(|(place, _)| place.clone()));
        model.open.push((name, holds));
        Ok(())
    }

    fn take(&mut self, model: &mut Model, step: Step) -> TestCaseResult {
        let none = model.open.is_empty();
        match step {
            Step::Hold { team, images, credits } => self.hold(model, team, images, credits)?,
            Step::Raise { which, credits } if !none => {
                let at = which % model.open.len();
                let (generation, holds) = &mut model.open[at];
                let (name, spent) = (generation.clone(), Spent { images: 0, micro_credits: credits });
                self.write(move |db| raise(db, &name, spent, PER_USD)).unwrap();
                for ((budget, _), amount) in holds {
                    *amount = spent.in_unit(budget.unit, PER_USD).max(*amount);
                }
            }
            Step::End { which, images, credits } if !none => {
                let spent = Spent { images, micro_credits: credits };
                let name = model.end(which, spent);
                let again = name.clone();
                self.write(move |db| settle(db, &name, spent, PER_USD)).unwrap();
                let other = Spent { images: 9, micro_credits: 9 };
                self.write(move |db| settle(db, &again, other, PER_USD)).unwrap();
            }
            Step::Release { which } if !none => {
                let name = model.end(which, Spent::default());
                self.write(move |db| settle(db, &name, Spent::default(), 0)).unwrap();
            }
            Step::Raise { .. } | Step::End { .. } | Step::Release { .. } => {}
            Step::Roll => self.day += 1,
            Step::Limit { images, credits } => (self.images, self.credits) = (images, credits),
            Step::Toggle { budget } => {
                if !self.off.remove(&budget) {
                    self.off.insert(budget);
                }
            }
            Step::Crash { which, credits } => {
                let which = model.open.get(which % model.open.len().max(1)).map(|(name, _)| name.clone());
                self.crash(which, credits);
            }
        }
        Ok(())
    }

    fn agrees(&self, model: &Model) -> TestCaseResult {
        for (budget, start) in &model.seen {
            let (id, start_ms) = (budget.clone(), *start);
            let found = self.write(move |db| stands(db, &id, start_ms)).unwrap();
            prop_assert_eq!(found, model.stands(&(budget.clone(), *start)), "{:?} {}", budget, start);
        }
        Ok(())
    }
}

proptest! {
    // Each write is on the disk before it answers.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_course_keeps_used_and_held_within_the_amount_at_every_admission_and_ends_exact(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let (mut bench, mut model) = (Bench::new(), Model::default());
        for step in steps {
            let crashed = matches!(step, Step::Crash { .. });
            bench.take(&mut model, step)?;
            if crashed {
                bench.agrees(&model)?;
            }
        }
        bench.agrees(&model)?;
        for step in vec![Step::End { which: 0, images: 1, credits: 7 }; model.open.len()] {
            bench.take(&mut model, step)?;
        }
        bench.agrees(&model)?;
        let sum = "SELECT coalesce(sum(held), 0) + (SELECT count(*) FROM holds) FROM windows";
        let held: i64 = bench.write(move |db| Ok(db.query_row(sum, [], |row| row.get(0))?)).unwrap();
        prop_assert_eq!(held, 0);
    }
}
