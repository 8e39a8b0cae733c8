//! What every test stands on: a gateway and a simulated Evolink in this process, each on a free port of loopback, and
//! a plain HTTP client. Waiting is done by deadline, never by guessing how long something takes.

mod answer;
mod books;
mod chaos;
pub(crate) mod edits;
mod events;
pub(crate) mod form;
mod harness;
mod log;
mod metrics;
mod raw;
mod setup;

use std::time::Duration;

pub(crate) use answer::{Answer, decoded, shown};
pub(crate) use books::{Books, micro};
pub(crate) use chaos::{Chaos, Spoil};
pub(crate) use events::{Block, Live};
pub(crate) use form::FormBody;
pub(crate) use harness::{Harness, small};
pub(crate) use log::all as logged;
pub(crate) use metrics::Metrics;
pub(crate) use raw::Raw;
pub(crate) use setup::Setup;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The upstream account's key: may reach the simulator's API and nothing else.
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-canary-5a1f0c";
/// A word in every prompt: may reach upstream and nothing else.
pub(crate) const PROMPT_CANARY: &str = "prompt-canary-93d7e2";
/// The key of team `design`.
pub(crate) const DESIGN_KEY: &str = "egk_design-canary-c81b44";
/// The key of team `print`, which may use no model.
pub(crate) const PRINT_KEY: &str = "egk_print-canary-07aa19";
/// A key of team `design` that expires one hour after the epoch of [`Setup::at_the_hour`].
pub(crate) const EXPIRING_KEY: &str = "egk_expiring-canary-e5d302";
/// The key of team `strict`, which refuses parameters without effect.
pub(crate) const STRICT_KEY: &str = "egk_strict-canary-b2f971";
