//! What the state store tells of budgets and of what was used. Writing there is the journal's, together with the
//! generations; no SQL here.

use std::future::Future;
use std::pin::Pin;

use super::budget::BudgetId;
use super::usage::{UsageLine, UsageQuery};
use crate::money::Credits;

/// The ledger cannot be read at the moment.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the ledger of budgets cannot be read: {0}")]
pub struct LedgerError(pub String);

/// An answer of the ledger's.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// Where a budget stands in one window. Amounts in millionths of its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetStanding {
    pub used: u64,
    pub held: u64,
    /// Unix milliseconds from which on it has been counted; none before its first generation.
    pub since_ms: Option<i64>,
}

/// The reading side of the ledger.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// Of each budget in the window that begins at its `start_ms`, in the order asked.
    fn standings(&self, asked: Vec<(BudgetId, i64)>) -> LedgerFuture<'_, Vec<BudgetStanding>>;
    /// Daily figures, added up as the query says.
    fn usage(&self, query: UsageQuery) -> LedgerFuture<'_, Vec<UsageLine>>;
    /// The credits of all daily figures there are.
    fn settled(&self) -> LedgerFuture<'_, Credits>;
}
