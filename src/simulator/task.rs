//! One task of the simulator: its fixed future, how it looks at a moment, and Evolink's JSON of it.
//!
//! When and how a task ends is decided at its creation; nothing runs in between. Knows no HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::billing::{credits, rule};
use super::faults::{Armed, Done};
use super::order::Order;

/// The longest time a task is pending before it is processed.
const PENDING_MAX: Duration = Duration::from_secs(1);

/// How a task ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Completed,
    Failed { code: String, message: String },
    Cancelled,
}

/// A task as the simulator keeps it.
#[derive(Debug)]
pub(super) struct Task {
    pub id: Arc<str>,
    /// Whose it is: a number for the API key. Others do not see it.
    pub owner: u64,
    pub key: Option<String>,
    /// The create's body, byte for byte.
    pub body: Box<str>,
    pub order: Order,
    /// `host:port` under which the client knows the simulator; result links carry it.
    pub host: Box<str>,
    pub created: Instant,
    /// Creation in Unix seconds.
    pub created_unix: i64,
    pub ends: Instant,
    pub fate: Fate,
    /// Pictures delivered when completed.
    pub pictures: u32,
    /// Micro-credits held from creation to the end.
    pub reserved: u64,
    /// Micro-credits taken if it completes.
    pub charge: u64,
    pub estimated_time: u64,
    /// The first answer that showed the end.
    pub noticed: Option<Instant>,
    pub looks: u32,
    pub looks_after_end: u32,
    pub media_fetches: u32,
    pub callback_tries: u32,
    pub callback_delivered: bool,
    /// Faults of looks and fetches from the prompt.
    pub faults: Vec<Armed>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Pending,
    /// With percent, 1 to 99.
    Processing(u8),
    Ended,
}

impl Task {
    /// How far the task is at a moment.
    pub fn stage(&self, now: Instant) -> Stage {
        if now >= self.ends {
            return Stage::Ended;
        }
        let (total, passed) = (self.ends - self.created, now.saturating_duration_since(self.created));
        if passed < (total / 10).min(PENDING_MAX) {
            return Stage::Pending;
        }
        let percent = passed.as_millis() * 100 / total.as_millis().max(1);
        Stage::Processing(u8::try_from(percent).unwrap_or(99).clamp(1, 99))
    }

    /// Status at a moment, in Evolink's words.
    pub fn status(&self, stage: Stage) -> &'static str {
        match (stage, &self.fate) {
            (Stage::Pending, _) => "pending",
            (Stage::Processing(_), _) => "processing",
            (Stage::Ended, Fate::Completed) => "completed",
            (Stage::Ended, Fate::Failed { .. }) => "failed",
            (Stage::Ended, Fate::Cancelled) => "cancelled",
        }
    }

    /// Micro-credits charged by now.
    pub fn charged(&self, now: Instant) -> u64 {
        if self.stage(now) == Stage::Ended && self.fate == Fate::Completed { self.charge } else { 0 }
    }

    /// Micro-credits given back by now.
    pub fn refunded(&self, now: Instant) -> u64 {
        match self.stage(now) {
            Stage::Ended => self.reserved.saturating_sub(self.charged(now)),
            _ => 0,
        }
    }

    /// Micro-credits that the account misses because of this task: held, or charged.
    pub fn weight(&self, now: Instant) -> u64 {
        if self.stage(now) == Stage::Ended { self.charged(now) } else { self.reserved }
    }

    /// The links of a completed task.
    pub fn links(&self) -> Vec<String> {
        let extension = self.order.format.name();
        (0..self.pictures)
            .map(|index| format!("http://{}/media/{}/{index}.{extension}", self.host, self.id))
            .collect()
    }

    /// The answer to the create.
    pub fn receipt(&self, stage: Stage) -> Wire<'_> {
        Wire { error: None, ..self.report(stage, None) }
    }

    /// The answer to a look, with an odd end if a fault wants one.
    pub fn report(&self, stage: Stage, odd: Option<Done>) -> Wire<'_> {
        let mut wire = Wire {
            created: self.created_unix,
            id: &self.id,
            model: &self.order.model,
            object: "image.generation.task",
            progress: 0,
            status: self.status(stage),
            task_info: TaskInfo { can_cancel: stage != Stage::Ended, estimated_time: self.estimated_time },
            kind: "image",
            usage: self.usage(stage),
            results: None,
            result_data: None,
            error: Some(Value::Null),
        };
        match (stage, &self.fate) {
            (Stage::Processing(percent), _) => wire.progress = percent,
            (Stage::Ended, Fate::Completed) => self.deliver(&mut wire, odd),
            (Stage::Ended, Fate::Failed { code, message }) => {
                wire.error = Some(json!({"code": code, "message": message, "type": "task_error"}));
            }
            _ => {}
        }
        wire
    }

    fn deliver(&self, wire: &mut Wire<'_>, odd: Option<Done>) {
        wire.progress = 100;
        let object = |(index, url): (usize, String)| json!({"result_id": format!("{}-{index}", self.id), "image_url": url});
        let mut objects = self.links().into_iter().enumerate().map(object);
        match odd {
            Some(Done::NoLinks) => wire.results = Some(Vec::new()),
            Some(Done::ResultData) => wire.result_data = Some(objects.collect()),
            Some(Done::ResultObject) => wire.result_data = objects.next(),
            _ => wire.results = Some(self.links()),
        }
    }

    fn usage(&self, stage: Stage) -> Usage {
        let ended = stage == Stage::Ended;
        let used = if self.fate == Fate::Completed { self.charge } else { 0 };
        Usage {
            billing_rule: rule(self.order.price),
            credits_reserved: credits(self.reserved),
            credits_used: ended.then(|| credits(used)),
            cost: ended.then(|| {
                let credits = credits(used);
                Cost { credits, usd: credits / 68.0, cny: credits / 10.0 }
            }),
            user_group: "default",
        }
    }
}

/// Evolink's JSON of a task.
#[derive(Debug, Serialize)]
pub(super) struct Wire<'a> {
    pub created: i64,
    pub id: &'a str,
    model: &'a str,
    object: &'static str,
    pub progress: u8,
    pub status: &'a str,
    task_info: TaskInfo,
    #[serde(rename = "type")]
    kind: &'static str,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Debug, Serialize)]
struct TaskInfo {
    can_cancel: bool,
    estimated_time: u64,
}

#[derive(Debug, Serialize)]
struct Usage {
    billing_rule: &'static str,
    credits_reserved: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_used: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    user_group: &'static str,
}

#[derive(Debug, Serialize)]
struct Cost {
    credits: f64,
    usd: f64,
    cny: f64,
}

/// A plausible message for a task error code, as Evolink words them.
pub(super) fn message_of(code: &str, request: u64) -> String {
    let text = match code {
        "content_policy_violation" => {
            "Content policy violation: your request was rejected by the safety system.\nPlease modify the prompt"
        }
        "invalid_parameters" => "Invalid parameters: the image dimensions are not supported",
        "image_processing_error" => "Failed to process the input image: the URL is not accessible",
        "image_dimension_mismatch" => "The dimensions of the input image do not match the request",
        "request_cancelled" => "The request was cancelled",
        "generation_failed_no_content" => "The model returned no content",
        "service_error" => "Upstream service error, please try again later",
        "generation_timeout" => "The generation timed out",
        "resource_exhausted" => "Resources are exhausted, please try again later",
        "quota_exceeded" => "Quota exceeded: too many requests at once",
        "service_unavailable" => "The service is temporarily unavailable",
        "resource_not_found" => "The resource was not found or has expired",
        _ => "An unknown error occurred",
    };
    format!("{text} (request id: {request:020})")
}
