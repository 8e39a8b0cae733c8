//! What the gateway tells its operator: metrics and logs.
//!
//! The only room that names `prometheus` and the log writer. It knows the vocabulary and nothing of what the figures
//! mean; other rooms call [`Metrics`]' methods and `tracing`'s macros. Start with `families`, where every metric is
//! declared with its help text.

mod budgets;
mod families;
mod labels;
mod log;
mod metrics;
mod process;

pub use budgets::BudgetGauge;
pub use labels::{CLOSED_MAX, Call, CallStatus, MODELS_MAX, TEAMS_MAX};
pub use log::{LogError, LogFormat, LogOptions, LogWriter, VALUE_CHARS_MAX, check_level, init_logs};
pub use metrics::{GaugeGuard, Metrics};
