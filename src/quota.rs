//! Who may use how much: limits of keys and teams, rates, budgets, and whose turn it is.
//!
//! Rates are counted here, in memory. Budgets are only described here: what is used and held of them is in the state
//! store, in the same transaction as the generations that hold it. Knows the plans it judges; neither upstream nor HTTP.

mod book;
pub mod budget;
pub mod fair;
mod figures;
mod gate;
mod ledger;
mod limits;
mod prices;
pub mod rate;
mod usage;
pub mod window;

pub use book::Book;
pub use budget::{BudgetId, Demand, Exceeded, Passed, Settlement, Spent, Unit};
pub use figures::Figures;
pub use gate::{Gate, Limited, RateStanding, Standing, Taken};
pub use ledger::{BudgetStanding, Ledger, LedgerError, LedgerFuture};
pub use limits::{Account, Budget, CallerLimits, Limits, limit_behind};
pub use prices::Prices;
pub use usage::{Dimension, USAGE_LINES_MAX, UsageLine, UsageQuery, UsageRow, Used};
pub use window::{Period, Window};

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::fault::Fault;
use crate::image::Plan;
use crate::money::Credits;

/// All that is counted in memory, and the book of limits in force.
#[derive(Debug)]
pub struct Quota {
    book: RwLock<Arc<Book>>,
    pub gate: Gate,
    pub prices: Prices,
    /// Shadow budgets that had no room.
    pub passed: Passed,
    /// `pricing.credits_per_usd`.
    micro_credits_per_usd: AtomicU64,
}

impl Quota {
    pub fn new(book: Book, micro_credits_per_usd: u64) -> Self {
        let book = RwLock::new(Arc::new(book));
        let (gate, prices, passed) = (Gate::default(), Prices::default(), Passed::default());
        let micro_credits_per_usd = AtomicU64::new(micro_credits_per_usd);
        Self { book, gate, prices, passed, micro_credits_per_usd }
    }

    /// Without any limits.
    pub fn unlimited() -> Self {
        Self::new(Book::default(), 68_000_000)
    }

    /// The limits that hold from now on, for what is running too.
    pub fn set_book(&self, book: Book) {
        let mut current = self.book.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(book.after(&current));
    }

    pub fn book(&self) -> Arc<Book> {
        Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn limits(&self, team: &Arc<str>, key: &str) -> CallerLimits {
        self.book().of(team, key)
    }

    pub fn micro_credits_per_usd(&self) -> u64 {
        self.micro_credits_per_usd.load(Ordering::Relaxed)
    }

    /// For what begins from now on.
    pub fn set_micro_credits_per_usd(&self, micro_credits: u64) {
        self.micro_credits_per_usd.store(micro_credits, Ordering::Relaxed);
    }

    /// Whether the plan is within what the caller may ask for at all, and what is to be held for one image.
    ///
    /// # Errors
    /// 403 `limit_exceeded`; 400 for an `n` that could never be made.
    pub fn check(&self, limits: &CallerLimits, plan: &Plan) -> Result<Credits, Fault> {
        let price = self.prices.hold(plan);
        limits.check(plan, price, self.micro_credits_per_usd())?;
        Ok(price)
    }
}
