//! The command line: one file a command.
pub mod check;
pub mod demo;
pub mod healthcheck;
pub mod key;
pub mod schema;
pub mod serve;
pub mod simulate;
