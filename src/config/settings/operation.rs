//! `log` and `tracing`.

use crate::config::address::HttpUrl;
use crate::config::macros::{choices, settings};

settings! {
    /// The log.
    pub struct Log {
        /// How lines look.
        format: LogFormat = LogFormat::Auto,
        /// The least weighty lines written.
        level: LogLevel = LogLevel::Info,
        /// Whether prompts are logged.
        prompts: bool = false,
    }
}

choices! {
    /// How lines of the log look.
    pub enum LogFormat {
        /// Pretty on a terminal, JSON otherwise.
        Auto = "auto",
        Pretty = "pretty",
        Json = "json",
    }
}

choices! {
    /// The least weighty lines written.
    pub enum LogLevel {
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

settings! {
    /// Traces.
    pub struct Tracing {
        /// Where traces are sent by OTLP.
        otlp_endpoint: Option<HttpUrl> = None,
    }
}
