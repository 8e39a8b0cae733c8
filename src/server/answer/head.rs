//! The headers of answers to image requests.

use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Made;
use crate::evolink::TaskId;
use crate::generation::{Came, Finished, Generation};
use crate::image::Plan;
use crate::money::Credits;
use crate::openai::{Answer, ignored_header};
use crate::server::prefer::Preference;

const GATEWAY_GENERATION_ID: HeaderName = HeaderName::from_static("x-gateway-generation-id");
const EVOLINK_TASK_IDS: HeaderName = HeaderName::from_static("x-evolink-task-ids");
const GATEWAY_IGNORED: HeaderName = HeaderName::from_static("x-gateway-ignored");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const GATEWAY_CREDITS: HeaderName = HeaderName::from_static("x-gateway-credits");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const GATEWAY_PARTIAL: HeaderName = HeaderName::from_static("x-gateway-partial");

/// The headers every answer carries once a generation exists.
pub(in crate::server) fn name_generation(headers: &mut HeaderMap, generation: &Generation) {
    put(headers, GATEWAY_GENERATION_ID, &generation.id().to_string());
    let tasks = generation.task_ids();
    if !tasks.is_empty() {
        let tasks: Vec<_> = tasks.iter().map(TaskId::as_str).collect();
        put(headers, EVOLINK_TASK_IDS, &tasks.join(", "));
    }
}

/// Names the parameters that had no effect, on every answer once there is a plan.
pub(in crate::server) fn name_ignored(headers: &mut HeaderMap, plan: &Plan) {
    if !plan.ignored.is_empty() {
        put(headers, GATEWAY_IGNORED, &ignored_header(&plan.ignored));
    }
}

/// How a request came to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Access {
    /// It began the generation; whether its answer is kept for others.
    First { stored: bool },
    /// It found one of the same kind under way, or one that had reached nobody.
    Joined,
    /// It found one that had ended so long ago and answers for so long.
    Hit { age: Duration, left: Duration },
    /// It asked for it by its id.
    ById,
}

impl Access {
    /// `stored`: what the request begins is kept for others.
    pub(in crate::server) fn of(came: Came, stored: bool) -> Self {
        match came {
            Came::First => Self::First { stored },
            Came::Joined => Self::Joined,
            Came::Hit { age, left } => Self::Hit { age, left },
        }
    }

    /// As the log and the metrics call it.
    pub(in crate::server) const fn label(self) -> &'static str {
        match self {
            Self::First { stored: true } => "miss",
            Self::First { stored: false } | Self::ById => "bypass",
            Self::Joined => "collapsed",
            Self::Hit { .. } => "hit",
        }
    }
}

/// Whether this request was the first for its generation, and how old the answer is.
pub(in crate::server) fn tell_access(headers: &mut HeaderMap, access: Access) {
    let status = match access {
        Access::First { stored: true } => "fwd=miss; stored",
        Access::First { stored: false } => "fwd=bypass",
        Access::Joined => "fwd=miss; collapsed",
        Access::Hit { age, left } => {
            headers.insert(AGE, age.as_secs().into());
            &format!("hit; ttl={}", left.as_secs())
        }
        Access::ById => return,
    };
    put(headers, CACHE_STATUS, &format!("evolink-gateway; {status}"));
}

/// Who comes by id is told what the generation cost: the answer that began it could not tell.
pub(super) fn tell_cost(headers: &mut HeaderMap, finished: &Finished, access: Access) {
    let credits = match access {
        Access::First { .. } | Access::ById => finished.credits(),
        Access::Joined | Access::Hit { .. } => Credits::ZERO,
    };
    put(headers, GATEWAY_CREDITS, &credits.to_string());
}

pub(super) fn tell_timing(headers: &mut HeaderMap, made: &Made, encode: Duration) {
    let timing = made.finished.timing;
    let steps = [
        ("queue", timing.queue),
        ("create", timing.create),
        ("wait", timing.wait),
        ("fetch", made.pictures.took),
        ("encode", encode),
    ];
    let steps = steps.map(|(name, took)| format!("{name};dur={:.1}", took.as_secs_f64() * 1000.0));
    put(headers, SERVER_TIMING, &steps.join(", "));
}

/// An answer of which a part is missing is not kept for others.
pub(super) fn tell_partial(headers: &mut HeaderMap, answer: &Answer, access: Access) {
    if !answer.errors.is_empty() {
        if access == (Access::First { stored: true }) {
            put(headers, CACHE_STATUS, "evolink-gateway; fwd=miss");
        }
        let made = answer.images.len();
        put(headers, GATEWAY_PARTIAL, &format!("{made}/{}", made + answer.errors.len()));
    }
}

/// The preference that was followed.
pub(in crate::server) fn tell_preference(headers: &mut HeaderMap, preference: Preference) {
    if let Some(applied) = preference.applied() {
        put(headers, PREFERENCE_APPLIED, &applied);
    }
}

/// What cannot stand in a header (it came from upstream or a client) is left out.
pub(in crate::server) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
