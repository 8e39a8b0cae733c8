//! Every failure a client can meet.
//!
//! A [`Fault`] says what went wrong in the client's terms (kind, public text, parameter) and keeps the private cause
//! for the log. This file alone knows status, type, code and whether a client may repeat the request: the table of
//! docs/API.md, row by row. It knows nothing of HTTP libraries; `server` writes a fault down.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod kind;
pub mod wording;

pub use kind::FaultKind;

/// One failure: what the client is told, and what only the log may know. Kept across restarts in its serde form,
/// without the cause.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    kind: FaultKind,
    message: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<bool>,
    #[serde(skip)]
    cause: Option<String>,
}

impl Fault {
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            repeat: None,
            cause: None,
        }
    }

    /// A known parameter with a wrong type or value: 400 naming the parameter.
    pub fn invalid(param: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::InvalidValue, message).with_param(param)
    }

    #[must_use]
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Replaces the kind's own code, for kinds that pass on the code of a failed task.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// When a repetition makes sense; sent as whole seconds from 1 to 60, which every SDK obeys.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Replaces the kind's own answer to "may this be repeated?".
    #[must_use]
    pub fn with_repeat(mut self, repeat: bool) -> Self {
        self.repeat = Some(repeat);
        self
    }

    /// For the log only; never shown to a client.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.row().status
    }

    /// OpenAI's `error.type`.
    pub fn error_type(&self) -> &'static str {
        self.kind.row().error_type
    }

    /// OpenAI's `error.code`.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(self.kind.row().code)
    }

    /// The header `x-should-retry`, which overrides every other rule of OpenAI's SDKs.
    pub fn should_retry(&self) -> bool {
        self.repeat.unwrap_or(self.kind.row().repeat)
    }

    /// The header `Retry-After` in seconds, 1 to 60; none where repeating is no use or no matter of time.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let pause = self.retry_after.or(self.kind.row().pause)?;
        self.should_retry().then(|| pause.as_millis().div_ceil(1000).clamp(1, 60).try_into().unwrap_or(60))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_from_one_to_sixty() {
        let overloaded =
            |pause| Fault::new(FaultKind::Overloaded, "full").with_retry_after(pause).retry_after_seconds();
        assert_eq!(overloaded(Duration::ZERO), Some(1));
        assert_eq!(overloaded(Duration::from_millis(1001)), Some(2));
        assert_eq!(overloaded(Duration::from_hours(1)), Some(60));
    }

    #[test]
    fn what_must_not_be_repeated_has_no_retry_after() {
        let fault = Fault::new(FaultKind::Overloaded, "full").with_repeat(false);
        assert_eq!((fault.should_retry(), fault.retry_after_seconds()), (false, None));
    }

    #[test]
    fn a_failed_task_passes_its_code_on() {
        let fault = Fault::new(FaultKind::TaskFailed, "failed").with_code("service_error");
        assert_eq!(
            (fault.status(), fault.code(), fault.error_type()),
            (502, "service_error", "upstream_error")
        );
    }
}
