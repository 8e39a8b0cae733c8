//! evolink-gateway: OpenAI's synchronous Images API in front of Evolink's asynchronous image tasks.
//!
//! One request, told as a story. [`server`] accepts it and finds the caller by key ([`keys`]); [`openai`] reads its
//! body into an image request ([`image`]); [`catalog`] turns that into a plan: which upstream tasks, what they cost.
//! [`generation`] runs the plan once: a place in the queue, [`evolink`] creates the tasks, the watcher
//! ([`generation::watch`]) finds out when they end, [`media`] fetches the pictures. All who wait wake, [`openai`]
//! words the answer, [`server`] streams it out. A generation is a background task of its own; a request only waits for
//! it, and may leave.
//!
//! The rooms stand below in four groups; each knows those above its own (`tests/boundaries.rs` has it in full).
//! `docs/ARCHITECTURE.md` has the reasons; `server/routes/generations.rs` is the place to start reading.

// Vocabulary: pure, no I/O.
/// The wall clock, which tests may hold.
pub mod clock;
/// Whether a folder's disk takes more, asked without writing.
pub mod disk;
/// Every failure a client can meet: status, type, code, may it be repeated.
pub mod fault;
/// The domain: request, size, quality, format, plan, fingerprint.
pub mod image;
/// Credits in whole millionths.
pub mod money;
/// The wire towards clients: request JSON, answers, error object, model list.
pub mod openai;

// Capabilities: know the vocabulary and tell `telemetry`, but neither each other nor the server.
/// Results by fingerprint: who shares them, how long, what is in memory.
pub mod cache;
/// What each Evolink model can do, one row a model; request → plan.
pub mod catalog;
/// Settings: file and environment → expanded → validated; reload.
pub mod config;
/// The wire and the client towards Evolink: tasks, errors, what a failed create proves.
pub mod evolink;
/// Team keys: secrets, digests, callers.
pub mod keys;
/// Picture bytes: guarded fetch, sniffing, conversion, base64 stream.
pub mod media;
/// Limits of keys and teams: rates, budgets, the fair queue.
pub mod quota;
/// Metrics and logs.
pub mod telemetry;

// Spine: knows all above but `config`.
/// The story: begin or join, queue, create, watch, fetch, wait.
pub mod generation;
/// The way in: listeners, layers, one file a route, answers; health and metrics for operators.
pub mod server;

// Behind the spine's traits.
/// State that outlives the process: the embedded database.
pub mod store;

// Edge.
/// The composition root: settings → running gateway; reload; drain.
pub mod app;
/// The command line, one file a command.
pub mod cli;
/// A stand-in for Evolink with faults and a ledger: test bed, demo, benchmark upstream.
pub mod simulator;
