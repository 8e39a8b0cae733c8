//! The headers of answers to image requests.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Made;
use crate::evolink::TaskId;
use crate::generation::{Finished, Generation};
use crate::image::Plan;
use crate::money::Credits;
use crate::openai::Answer;

/// The headers every answer carries once a generation exists.
pub(in crate::server) fn name_generation(headers: &mut HeaderMap, generation: &Generation) {
    put(headers, "x-gateway-generation-id", &generation.id().to_string());
    let tasks = generation.task_ids();
    if !tasks.is_empty() {
        let tasks: Vec<_> = tasks.iter().map(TaskId::as_str).collect();
        put(headers, "x-evolink-task-ids", &tasks.join(", "));
    }
}

/// Names the parameters that had no effect, on every answer once there is a plan.
pub(in crate::server) fn name_ignored(headers: &mut HeaderMap, plan: &Plan) {
    if !plan.ignored.is_empty() {
        put(headers, "x-gateway-ignored", &plan.ignored.join(", "));
    }
}

/// Whether this request was the first for its generation.
pub(in crate::server) fn tell_joined(headers: &mut HeaderMap, joined: bool) {
    let collapsed = if joined { "; collapsed" } else { "" };
    put(headers, "cache-status", &format!("evolink-gateway; fwd=bypass{collapsed}"));
}

pub(super) fn tell_cost(headers: &mut HeaderMap, finished: &Finished, joined: bool) {
    let credits = if joined { Credits::ZERO } else { finished.credits() };
    put(headers, "x-gateway-credits", &credits.to_string());
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
    put(headers, "server-timing", &steps.join(", "));
}

pub(super) fn tell_partial(headers: &mut HeaderMap, answer: &Answer) {
    if !answer.errors.is_empty() {
        let made = answer.images.len();
        put(headers, "x-gateway-partial", &format!("{made}/{}", made + answer.errors.len()));
    }
}

/// What cannot stand in a header (it came from upstream or a client) is left out.
pub(in crate::server) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
