//! Budgets, and what one generation takes of them. Pure; the ledger itself is the state store's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::usage::UsageRow;
use super::window::Period;

/// What a budget counts. Amounts are whole millionths of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Images,
    Credits,
    Usd,
}

impl Unit {
    pub const ALL: [Self; 3] = [Self::Images, Self::Credits, Self::Usd];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Credits => "credits",
            Self::Usd => "usd",
        }
    }

    /// The name of its limit, as metrics tell it.
    pub const fn limit(self) -> &'static str {
        match self {
            Self::Images => "budget_images",
            Self::Credits => "budget_credits",
            Self::Usd => "budget_usd",
        }
    }
}

/// What a budget is known by: its amount may change, with what was used kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetId {
    /// Whose it is: `team:NAME` or `key:TEAM/NAME`.
    pub account: String,
    pub unit: Unit,
    pub period: Period,
    /// IANA name.
    pub timezone: String,
    /// False: `mode: shadow`, counted and reported only.
    pub enforced: bool,
}

/// What a generation holds of one budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub budget: BudgetId,
    /// The window of its admission.
    pub start_ms: i64,
    /// In millionths of the unit.
    pub amount: u64,
    /// The budget's amount. Not looked at where it is not enforced.
    pub limit: u64,
}

/// A budget that has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which of the demands.
    pub demand: usize,
    pub used: u64,
    pub held: u64,
}

/// Windows remembered of shadow budgets without room; one more, and all are forgotten and told again.
const PASSED_MAX: usize = 4_096;

/// Shadow budgets that had no room, in the window in which that was told.
#[derive(Debug, Default)]
pub struct Passed(Mutex<HashMap<BudgetId, i64>>);

impl Passed {
    /// Whether the budget has no room for the first time in the demand's window.
    pub fn is_news(&self, demand: &Demand) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= PASSED_MAX && !windows.contains_key(&demand.budget) {
            windows.clear();
        }
        windows.insert(demand.budget.clone(), demand.start_ms) != Some(demand.start_ms)
    }
}

/// What a generation has cost, or is known to cost at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub images: u64,
    pub micro_credits: u64,
}

impl Spent {
    /// In millionths of the unit, rounded up. `micro_credits_per_usd`: of one dollar; 0 counts as nothing spent.
    pub fn in_unit(self, unit: Unit, micro_credits_per_usd: u64) -> u64 {
        match unit {
            Unit::Images => self.images.saturating_mul(1_000_000),
            Unit::Credits => self.micro_credits,
            Unit::Usd if micro_credits_per_usd == 0 => 0,
            Unit::Usd => {
                let millionths = u128::from(self.micro_credits) * 1_000_000;
                let usd = millionths.div_ceil(u128::from(micro_credits_per_usd));
                u64::try_from(usd).unwrap_or(u64::MAX)
            }
        }
    }
}

/// What the end of a generation means for the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub spent: Spent,
    pub micro_credits_per_usd: u64,
    /// What it adds to the daily figures.
    pub usage: UsageRow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_budget_without_room_is_news_once_in_each_window() {
        let budget = |account: String| BudgetId {
            account,
            unit: Unit::Usd,
            period: Period::Day,
            timezone: "UTC".into(),
            enforced: false,
        };
        let demand =
            |account: String, start_ms| Demand { budget: budget(account), start_ms, amount: 2, limit: 1 };
        let passed = Passed::default();
        let told = [("a", 0), ("a", 0), ("b", 0), ("a", 1), ("a", 1), ("b", 0)];
        let news = told.map(|(account, start_ms)| passed.is_news(&demand(account.into(), start_ms)));
        assert_eq!(news, [true, false, true, true, false, false]);
        (0..PASSED_MAX).for_each(|number| assert!(passed.is_news(&demand(number.to_string(), 0))));
        assert!(passed.0.lock().unwrap().len() <= PASSED_MAX);
    }
}
