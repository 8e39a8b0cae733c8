//! The gateway as its clients see it: gateway and simulated Evolink in one process, over real sockets.
//!
//! One binary; a module for each kind of behaviour. `cli` drives the real binary instead.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "these are tests; Clippy knows only functions marked #[test] as such, and metrics compared here are counts"
)]

mod admin;
mod admin_keys;
mod azure;
mod bounds;
mod by_id;
mod cache;
mod callbacks;
mod cli;
mod creates;
mod cuts;
mod edge;
mod edits;
mod endings;
mod ends;
mod errors;
mod heads;
mod idempotency;
mod keys;
mod links;
mod looks;
mod models;
mod observed;
mod openapi;
mod outage;
mod own_links;
mod pictures;
mod queue;
mod quotas;
mod rates;
mod repeats;
mod requests;
mod sharing;
mod streams;
mod support;
mod uploads;
mod usage;
mod waits;
