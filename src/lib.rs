//! evolink-gateway: OpenAI's synchronous Images API in front of Evolink's asynchronous image tasks.
pub mod app;
pub mod cli;
pub mod clock;
pub mod fault;
pub mod image;
pub mod money;
pub mod openai;

pub mod catalog;
pub mod config;
pub mod evolink;
pub mod keys;
pub mod media;
pub mod telemetry;

pub mod generation;
pub mod server;
pub mod simulator;
