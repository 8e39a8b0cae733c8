//! The wire and the client towards Evolink.
//!
//! Knows Evolink's pages with their traps (tolerant reading, one table of errors, idempotent creates) and nothing of
//! clients, quotas or HTTP servers. Start with [`Upstream`], the four calls the rest of the house makes; the real
//! thing behind it is [`Client`].

mod task;
mod upstream;

pub use task::{Task, TaskError, TaskId, TaskStatus, TaskUsage};
pub use upstream::{CallError, CallFuture, CreateBody, Credit, Proof, Refusal, Upstream, UpstreamKey};
