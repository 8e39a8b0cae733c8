//! State that outlives the process: the embedded database.
//!
//! Knows SQL and files, not what its rows mean to the rooms that own the traits it fulfils. Start with [`Engine`].

mod engine;
mod failure;
mod journal;
mod ledger;
mod schema;
mod usage;

pub use engine::Engine;
pub use failure::{OpenError, StoreError};
pub use journal::EngineJournal;
