//! The wire and the client towards Evolink.
//!
//! Knows Evolink's pages with their traps (tolerant reading, one table of errors, idempotent creates) and nothing of
//! clients, quotas or HTTP servers. Start with [`Upstream`], the calls the rest of the house makes; the real
//! thing behind it is [`Client`]. An answer goes through `exchange` (bounds, time-outs), then `decode` (what it says),
//! with `problem` for everything that is not a task; `failure` says it to a client of the gateway.

pub mod breaker;
mod callback;
mod clean;
mod client;
mod decode;
mod exchange;
mod failure;
mod problem;
mod task;
mod upload;
mod upstream;
mod wire;

pub use callback::{CallbackToken, with_callback, without_callback};
pub use clean::{CLIENT_MESSAGE_CHARS_MAX, client_message};
pub use client::{BATCH_IDS_MAX, Client, ClientError, Options};
pub use failure::{create_fault, retryable, task_fault, unavailable, upload_fault};
pub use task::{ListedTask, Task, TaskError, TaskId, TaskList, TaskStatus, TaskUsage};
pub use upload::{FILE_QUOTA_FULL, FileId, Upload, UploadBody, UploadedFile};
pub use upstream::{CallError, CallFuture, CreateBody, Credit, Proof, Refusal, Upstream, UpstreamKey};
pub use wire::{UploadLinks, create_body};
