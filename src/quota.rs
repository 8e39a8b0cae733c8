//! Who may use how much: limits of keys and teams, rates, budgets, and whose turn it is.
//!
//! Rates are counted here, in memory. Budgets are only described here: what is used and held of them is in the state
//! store, in the same transaction as the generations that hold it. Knows the plans it judges; neither upstream nor HTTP.

mod book;
pub mod budget;
pub mod fair;
mod gate;
mod limits;
mod prices;
pub mod rate;
mod usage;
pub mod window;

pub use book::Book;
pub use budget::{BudgetId, Demand, Exceeded, Spent, Unit};
pub use gate::{Gate, Limited, RateStanding, Standing};
pub use limits::{Account, Budget, CallerLimits, Limits};
pub use prices::Prices;
pub use usage::{Dimension, UsageLine, UsageQuery, UsageRow, Used};
pub use window::{Period, Window};
