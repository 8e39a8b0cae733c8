//! Results by fingerprint: who shares them, how long they are fresh, and which of them are in memory.
//!
//! Knows nothing of what a result is: `generation` keeps its ended generations here, and finds those for which there was
//! no room in its journal. Start with [`Rules`] (what holds for a team), then [`Results`] (what is in memory).

mod key;
mod results;
mod rules;

pub use key::{Circle, Key};
pub use results::{Entry, Freshness, Results};
pub use rules::{RuleBook, Rules, Scope};
