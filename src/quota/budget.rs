//! Budgets, and what one generation takes of them. Pure; the ledger itself is the state store's.

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
            Unit::Usd => {
                let usd = (u128::from(self.micro_credits) * 1_000_000)
                    .checked_div(u128::from(micro_credits_per_usd))
                    .map_or(0, |_| {
                        (u128::from(self.micro_credits) * 1_000_000)
                            .div_ceil(u128::from(micro_credits_per_usd))
                    });
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
