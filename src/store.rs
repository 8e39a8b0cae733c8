//! State that outlives the process: the embedded database. And a journal that forgets, where nothing is to.
//!
//! Knows SQL and files, not what its rows mean to the rooms that own the traits it fulfils. Start with [`Engine`].

mod engine;
mod failure;
mod journal;
mod keys;
mod ledger;
mod memory;
mod reader;
mod schema;
mod usage;

pub use engine::Engine;
pub use failure::{OpenError, StoreError};
pub use journal::EngineJournal;
pub use keys::EngineKeys;
pub use memory::MemoryJournal;
pub use reader::EngineLedger;
