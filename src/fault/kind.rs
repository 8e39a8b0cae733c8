//! The table of failures: kind → status, type, code, may it be repeated, after what pause.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What went wrong, as the client sees it. The names are kept across restarts: none is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    InvalidKey,
    ModelNotAllowed,
    ModelNotFound,
    UnknownUrl,
    GenerationNotFound,
    /// The link is none of this gateway's.
    PictureNotFound,
    /// The link is genuine, and its time is over.
    LinkExpired,
    /// The link is good, and its picture is not stored any more.
    PictureGone,
    /// No byte of the asked range is there.
    RangeNotSatisfiable,
    MethodNotAllowed,
    UnsupportedMediaType,
    RequestTimeout,
    InvalidValue,
    InvalidJson,
    MissingParameter,
    UnknownParameter,
    UnsupportedParameter,
    TooLarge,
    Moderation,
    InvalidImage,
    /// The model, quality, size or number is more than the caller may ask for.
    LimitExceeded,
    /// Too many requests or images in a minute.
    RateLimited,
    /// A budget has no room.
    BudgetSpent,
    /// The Idempotency-Key stands for another request.
    IdempotencyConflict,
    /// No free place upstream within the queue time, or too many of this team's requests waiting.
    NoSlot,
    /// The gateway is full or draining.
    Overloaded,
    /// Evolink's account is empty or its key is bad.
    UpstreamAccount,
    /// Evolink cannot be reached or refuses for now; nothing was bought.
    UpstreamUnavailable,
    /// A create may have been taken; nobody knows yet.
    OutcomeUnknown,
    /// The task ended as failed; carries the task's code.
    TaskFailed,
    /// The task is past `task_timeout`.
    TaskTimeout,
    /// The picture was made and paid for, but could not be fetched.
    ResultUnavailable,
    /// The longest silent wait is over; the generation goes on.
    Deadline,
    /// `only-if-cached`, and nothing is.
    CacheMiss,
    Internal,
}

pub(super) struct Row {
    pub status: u16,
    pub error_type: &'static str,
    pub code: &'static str,
    pub repeat: bool,
    pub pause: Option<Duration>,
}

const INVALID: &str = "invalid_request_error";
const UPSTREAM: &str = "upstream_error";

const fn never(status: u16, error_type: &'static str, code: &'static str) -> Row {
    Row { status, error_type, code, repeat: false, pause: None }
}

const fn again(status: u16, error_type: &'static str, code: &'static str, pause_seconds: u64) -> Row {
    Row { status, error_type, code, repeat: true, pause: Some(Duration::from_secs(pause_seconds)) }
}

impl FaultKind {
    pub const ALL: [Self; 35] = [
        Self::InvalidKey,
        Self::ModelNotAllowed,
        Self::ModelNotFound,
        Self::UnknownUrl,
        Self::GenerationNotFound,
        Self::PictureNotFound,
        Self::LinkExpired,
        Self::PictureGone,
        Self::RangeNotSatisfiable,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::RequestTimeout,
        Self::InvalidValue,
        Self::InvalidJson,
        Self::MissingParameter,
        Self::UnknownParameter,
        Self::UnsupportedParameter,
        Self::TooLarge,
        Self::Moderation,
        Self::InvalidImage,
        Self::LimitExceeded,
        Self::RateLimited,
        Self::BudgetSpent,
        Self::IdempotencyConflict,
        Self::NoSlot,
        Self::Overloaded,
        Self::UpstreamAccount,
        Self::UpstreamUnavailable,
        Self::OutcomeUnknown,
        Self::TaskFailed,
        Self::TaskTimeout,
        Self::ResultUnavailable,
        Self::Deadline,
        Self::CacheMiss,
        Self::Internal,
    ];

    pub(super) const fn row(self) -> Row {
        match self {
            Self::InvalidKey => never(401, INVALID, "invalid_api_key"),
            Self::ModelNotAllowed => never(403, INVALID, "model_not_allowed"),
            Self::ModelNotFound => never(404, INVALID, "model_not_found"),
            Self::UnknownUrl => never(404, INVALID, "unknown_url"),
            Self::GenerationNotFound => never(404, INVALID, "generation_not_found"),
            Self::PictureNotFound => never(404, INVALID, "picture_not_found"),
            Self::LinkExpired => never(410, INVALID, "link_expired"),
            Self::PictureGone => never(410, INVALID, "picture_gone"),
            Self::RangeNotSatisfiable => never(416, INVALID, "range_not_satisfiable"),
            Self::MethodNotAllowed => never(405, INVALID, "method_not_allowed"),
            Self::UnsupportedMediaType => never(415, INVALID, "unsupported_media_type"),
            Self::RequestTimeout => never(408, INVALID, "request_timeout"),
            Self::InvalidValue => never(400, INVALID, "invalid_value"),
            Self::InvalidJson => never(400, INVALID, "invalid_json"),
            Self::MissingParameter => never(400, INVALID, "missing_required_parameter"),
            Self::UnknownParameter => never(400, INVALID, "unknown_parameter"),
            Self::UnsupportedParameter => never(400, INVALID, "unsupported_parameter"),
            Self::TooLarge => never(413, INVALID, "request_too_large"),
            Self::Moderation => never(400, "image_generation_user_error", "moderation_blocked"),
            Self::InvalidImage => never(400, INVALID, "invalid_image"),
            Self::LimitExceeded => never(403, INVALID, "limit_exceeded"),
            Self::RateLimited => again(429, "rate_limit_error", "rate_limit_exceeded", 5),
            Self::BudgetSpent => never(429, "insufficient_quota", "insufficient_quota"),
            Self::IdempotencyConflict => never(409, INVALID, "idempotency_conflict"),
            Self::NoSlot => again(429, "rate_limit_error", "concurrency_limit_exceeded", 5),
            Self::Overloaded => again(503, "service_unavailable_error", "server_is_overloaded", 2),
            Self::UpstreamAccount => never(502, UPSTREAM, "upstream_account_error"),
            Self::UpstreamUnavailable => again(503, UPSTREAM, "upstream_unavailable", 5),
            Self::OutcomeUnknown => again(502, UPSTREAM, "upstream_outcome_unknown", 1),
            Self::TaskFailed => never(502, UPSTREAM, "unknown_error"),
            Self::TaskTimeout => never(502, UPSTREAM, "generation_timeout"),
            Self::ResultUnavailable => never(502, UPSTREAM, "result_unavailable"),
            Self::Deadline => again(504, "timeout_error", "generation_timeout", 1),
            Self::CacheMiss => never(504, "timeout_error", "cache_miss"),
            Self::Internal => never(500, "server_error", "internal_error"),
        }
    }

    /// The code a metric is labelled with: from this table only, so the label set is closed.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TaskFailed => "task_failed",
            kind => kind.row().code,
        }
    }
}
