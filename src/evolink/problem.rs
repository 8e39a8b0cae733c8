//! The one table of errors: status, code and form of an answer → [`CallError`].
//!
//! Evolink tells errors in five forms: `{"error":{…}}`, flat `{"code","message"}`, `{"error":"text"}`,
//! `{"success":false,…}`, and no JSON at all (a proxy's page); codes are strings or integers; and any of them may come
//! with HTTP 200. Codes that mean one thing go before the status, the status goes before all others.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use serde_json::{Map, Value};

use super::clean::{client_message, clip};
use super::{CallError, Refusal};

/// The longest `Retry-After` that is believed; Evolink's own client stops at 30 s.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

const CODE_CHARS_MAX: usize = 64;
const MESSAGE_CHARS_MAX: usize = 1_000;

/// The safety filter, however it is spelt; also the codes of failed tasks.
pub(super) const MODERATION_CODES: [&str; 5] = [
    "content_policy_violation",
    "content_filter",
    "sensitive_content",
    "moderation_blocked",
    "input_moderation_failed",
];

/// Codes of the account or of this key, with whatever status. With these Evolink's own client, too, trusts that
/// nothing was charged.
const ACCOUNT_CODES: [&str; 15] = [
    "insufficient_quota",
    "insufficient_user_quota",
    "quota_not_enough",
    "account_balance_insufficient",
    "insufficient_token_quota",
    "key_quota_exhausted",
    "token_daily_quota_exceeded",
    "key_daily_quota_exhausted",
    "unauthorized",
    "permission_denied",
    "key_disabled",
    "key_expired",
    "user_disabled",
    "invalid_api_key",
    "authentication_error",
];

/// Of the upstream key as much as of the model: the client can do nothing about it.
const KEY_MODEL_CODES: [&str; 2] = ["model_access_denied", "key_model_not_allowed"];

const MODEL_CODES: [&str; 1] = ["model_not_found"];

const TASK_CODES: [&str; 3] = ["task_not_found", "resource_not_found", "invalid_task_id"];

/// The status a code or type comes with by the documentation, for answers that hide it behind a 200.
const NOMINAL: [(&str, u16); 18] = [
    ("invalid_request", 400),
    ("invalid_parameters", 400),
    ("invalid_request_error", 400),
    ("image_processing_error", 400),
    ("image_dimension_mismatch", 400),
    ("quota_exceeded", 402),
    ("rate_limit_exceeded", 429),
    ("rate_limited", 429),
    ("rate_limit_error", 429),
    ("resource_exhausted", 503),
    ("internal_error", 500),
    ("api_error", 500),
    ("upstream_error", 502),
    ("service_error", 503),
    ("service_unavailable", 503),
    ("no_available_channel", 503),
    ("channel_selection_failed", 503),
    ("model_unavailable", 503),
];

/// What an unsuccessful answer (any status but 2xx) means.
pub(super) fn of_answer(status: u16, pause: Option<Duration>, body: &[u8]) -> CallError {
    let said =
        serde_json::from_slice(body).ok().and_then(|value| Said::read(&value, false)).unwrap_or_else(|| {
            let message = clip(String::from_utf8_lossy(body).trim(), MESSAGE_CHARS_MAX);
            Said { message, ..Said::default() }
        });
    said.meaning(status, pause)
}

/// Whether a 404 without a name, in answer to a look at a task, is about the task: Evolink's own error with the status as
/// its code, and no complaint about the path.
pub(super) fn is_about_a_task(body: &[u8]) -> bool {
    let said = serde_json::from_slice(body).ok().and_then(|value| Said::read(&value, false));
    said.is_some_and(|said| said.number == Some(404) && !said.message.starts_with("Invalid URL"))
}

/// The error that a successful answer holds inside; none when it states none.
pub(super) fn inside(status: u16, pause: Option<Duration>, value: &Value) -> Option<CallError> {
    let said = Said::read(value, true)?;
    let nominal = said.number.or_else(|| said.nominal());
    Some(match nominal {
        Some(nominal) => said.meaning(nominal, pause),
        None => said.certain(status).unwrap_or_else(|| CallError::Malformed {
            status,
            detail: format!(
                "an error without a known code: {} {}",
                said.name(),
                client_message(&said.message)
            ),
        }),
    })
}

/// `Retry-After` in seconds or as a date, at most [`RETRY_AFTER_MAX`]. A date counts from the answer's own `Date`, so
/// that neither clock matters; without one it says nothing.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let sent = date(headers.get(DATE)?.to_str().ok()?)?;
    let pause = Duration::try_from(date(text)?.duration_since(sent)).unwrap_or(Duration::ZERO);
    Some(pause.min(RETRY_AFTER_MAX))
}

/// An error as an answer tells it, whatever the form.
#[derive(Debug, Default)]
struct Said {
    /// Empty when there is none, or when it is a number.
    code: String,
    /// An integer code that is an HTTP status.
    number: Option<u16>,
    /// `error.type`: stands in for the code.
    kind: String,
    message: String,
}

impl Said {
    /// `strict`: only what clearly is an error, for answers that claim success.
    fn read(value: &Value, strict: bool) -> Option<Self> {
        let object = value.as_object()?;
        match object.get("error") {
            Some(Value::Object(error)) if !error.is_empty() => return Some(Self::of(error)),
            Some(Value::String(text)) if !text.is_empty() => return Some(Self::of_text(text, object)),
            _ => {}
        }
        let said = Self::of(object);
        let failed = object.get("success").and_then(Value::as_bool) == Some(false);
        let told =
            said.number.is_some() || is_word(&said.code) && !["success", "ok"].contains(&said.code.as_str());
        (failed || told && !said.message.is_empty() || !strict).then_some(said)
    }

    fn of(object: &Map<String, Value>) -> Self {
        let code = object.get("code");
        let text = code.and_then(Value::as_str).unwrap_or_default();
        let number = code.and_then(Value::as_u64).or_else(|| text.parse().ok());
        let message = ["message", "msg", "detail"].iter().find_map(|name| object.get(*name)?.as_str());
        Self {
            code: if text.parse::<u64>().is_ok() {
                String::new()
            } else {
                clip(&text.to_lowercase(), CODE_CHARS_MAX)
            },
            number: number
                .and_then(|number| u16::try_from(number).ok())
                .filter(|number| (400..600).contains(number)),
            kind: clip(
                &object.get("type").and_then(Value::as_str).unwrap_or_default().to_lowercase(),
                CODE_CHARS_MAX,
            ),
            message: clip(message.unwrap_or_default(), MESSAGE_CHARS_MAX),
        }
    }

    /// `{"error":"text","error_description":"…"}`: the text is a code when it looks like one.
    fn of_text(text: &str, object: &Map<String, Value>) -> Self {
        let around = Self::of(object);
        let description = object.get("error_description").and_then(Value::as_str);
        Self {
            code: if is_word(text) { clip(&text.to_lowercase(), CODE_CHARS_MAX) } else { around.code },
            message: clip(description.unwrap_or(text), MESSAGE_CHARS_MAX),
            ..around
        }
    }

    /// The best name for it: the code, else the type.
    fn name(&self) -> &str {
        [self.code.as_str(), self.kind.as_str()]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or("no_code")
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str()) || self.code.is_empty() && codes.contains(&self.kind.as_str())
    }

    fn nominal(&self) -> Option<u16> {
        let of = |name: &str| NOMINAL.iter().find(|(code, _)| *code == name).map(|(_, status)| *status);
        of(&self.code).or_else(|| self.code.is_empty().then(|| of(&self.kind)).flatten())
    }

    fn refused(&self, refusal: Refusal, status: u16) -> CallError {
        CallError::Refused { refusal, status, code: self.name().to_owned(), message: self.message.clone() }
    }

    /// What the code means whatever the status; none for codes that do not decide.
    fn certain(&self, status: u16) -> Option<CallError> {
        if self.is_one_of(&MODERATION_CODES) || MODERATION_CODES.contains(&self.kind.as_str()) {
            return Some(self.refused(Refusal::Moderation, status));
        }
        if self.is_one_of(&ACCOUNT_CODES) || self.is_one_of(&KEY_MODEL_CODES) {
            return Some(self.refused(Refusal::Account, status));
        }
        if self.is_one_of(&MODEL_CODES) {
            return Some(self.refused(Refusal::Model, status));
        }
        if self.is_one_of(&TASK_CODES) {
            return Some(CallError::TaskNotFound);
        }
        match self.code.as_str() {
            // two bodies under one key: a fault of the gateway's own, never of the client
            "idempotency_conflict" => Some(self.refused(Refusal::BadRequest, status)),
            "paid_outcome_unknown" => Some(CallError::Open),
            _ => None,
        }
    }

    fn meaning(&self, status: u16, pause: Option<Duration>) -> CallError {
        if let Some(certain) = self.certain(status) {
            return certain;
        }
        match status {
            // 407 is the operator's egress proxy asking for its password
            401 | 402 | 403 | 407 => self.refused(Refusal::Account, status),
            404 | 405 => CallError::Missing,
            413 => self.refused(Refusal::TooLarge, status),
            429 => CallError::Busy { retry_after: pause },
            // a conflict without a name: perhaps with the first create of the same key
            409 => CallError::Open,
            408 | 425 | 499 | 500..=599 => {
                CallError::Down { status, code: self.name().to_owned(), retry_after: pause }
            }
            400..=499 => self.refused(Refusal::BadRequest, status),
            _ => CallError::Malformed { status, detail: "neither a success nor an error".to_owned() },
        }
    }
}

/// Looks like a code: lower-case words joined by underscores, hyphens or dots.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= CODE_CHARS_MAX
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests;
