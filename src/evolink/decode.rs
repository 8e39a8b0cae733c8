//! Tolerant reading of successful answers.
//!
//! Evolink's pages, its own clients and other people's clients know several forms of a task; all are read here, field
//! by field, and a field of the wrong type counts as absent. Only an answer without a task is an error. Size is
//! bounded by `exchange`, depth by `serde_json` (128 levels), texts and lists by the constants below.

mod files;
mod list;

use std::time::Duration;

use serde_json::{Map, Value};

use super::clean::{client_message, clip};
use super::exchange::Answer;
use super::{CallError, Credit, Task, TaskError, TaskId, TaskStatus, TaskUsage, problem};
use crate::money::Credits;

pub(super) use files::{done, file, stray_file};
pub(super) use list::{ListPage, list};

/// Links of one task that are read; `n` is at most 10 on Evolink's image models, midjourney's drafts are 24.
const LINKS_MAX: usize = 32;
/// Evolink's own limit for links it is given.
const LINK_BYTES_MAX: usize = 2_048;
const ID_BYTES_MAX: usize = 128;
const CODE_CHARS_MAX: usize = 64;
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Longer estimates are no estimates.
const ESTIMATE_MAX: Duration = Duration::from_hours(24);
/// More credits than any account has; `Credits` ends shortly above.
const CREDITS_MAX: f64 = 8e9;

/// The answer to a create or a task query.
pub(super) fn task(answer: &Answer) -> Result<Task, CallError> {
    let value = json(answer)?;
    match find_task(&value) {
        Some(task) => Ok(task),
        None => Err(no_task(answer, &value, "no task in it")),
    }
}

/// The answer to a batch query: the tasks it has, in its order. Entries without a task are left out.
pub(super) fn batch(answer: &Answer) -> Result<Vec<Task>, CallError> {
    let value = json(answer)?;
    let entries = match &value {
        Value::Array(entries) => Some(entries),
        value => ["data", "tasks"].iter().find_map(|name| value.get(name)?.as_array()),
    };
    match entries {
        Some(entries) => Ok(entries.iter().filter_map(Value::as_object).filter_map(read_task).collect()),
        None => Err(no_task(answer, &value, "no list of tasks in it")),
    }
}

/// The answer to a credits query: what the account has left, or this key if that is less; and what both have used.
pub(super) fn credits(answer: &Answer) -> Result<Credit, CallError> {
    let value = json(answer)?;
    if let Some(error) = problem::inside(answer.status, answer.pause, &value) {
        return Err(error);
    }
    let left =
        |whose: &str| value.pointer(&format!("/data/{whose}/remaining_credits")).and_then(Value::as_f64);
    let used =
        |whose: &str| Credits::from_decimal(number(value.as_object()?, &["data", whose, "used_credits"])?);
    let unlimited = value.pointer("/data/token/unlimited_credits").and_then(Value::as_bool) == Some(true);
    let amounts = [left("user"), left("token").filter(|_| !unlimited)];
    let least = amounts.into_iter().flatten().reduce(f64::min);
    least
        .and_then(|credits| Credits::from_decimal(credits.clamp(0.0, CREDITS_MAX)))
        .map(|remaining| Credit { remaining, used_by_account: used("user"), used_by_key: used("token") })
        .ok_or_else(|| no_task(answer, &value, "no remaining credits in it"))
}

/// Whether `text` can be a task's id: it becomes part of a path.
pub(super) fn is_id(text: &str) -> bool {
    text.len() <= ID_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn json(answer: &Answer) -> Result<Value, CallError> {
    if !(200..300).contains(&answer.status) {
        return Err(problem::of_answer(answer.status, answer.pause, &answer.body));
    }
    serde_json::from_slice(&answer.body).map_err(|error| malformed(answer, &format!("not JSON ({error})")))
}

fn no_task(answer: &Answer, value: &Value, detail: &str) -> CallError {
    problem::inside(answer.status, answer.pause, value).unwrap_or_else(|| malformed(answer, detail))
}

fn malformed(answer: &Answer, detail: &str) -> CallError {
    let start = answer.body.get(..200).unwrap_or(&answer.body);
    let start = clip(&client_message(&String::from_utf8_lossy(start)), 100);
    CallError::Malformed { status: answer.status, detail: format!("{detail}, begins with: {start}") }
}

/// The task in an answer: bare, or wrapped in `data`, `task`, both, or a list of one.
fn find_task(value: &Value) -> Option<Task> {
    ["", "/data", "/task", "/data/task", "/data/0", "/0"]
        .iter()
        .filter_map(|path| value.pointer(path)?.as_object())
        .find_map(read_task)
}

/// None without an id, and for an error that carries an id (a batch's unknown task, a refused create's request id):
/// only a status makes such a thing a task.
fn read_task(object: &Map<String, Value>) -> Option<Task> {
    let id = read_id(object)?;
    let told = object.get("status").and_then(Value::as_str);
    if told.is_none() && problem::inside(200, None, &Value::Object(object.clone())).is_some() {
        return None;
    }
    let status = told.map_or(TaskStatus::Processing, read_status);
    Some(Task {
        id,
        status,
        progress: object.get("progress").and_then(read_percent),
        links: read_links(object),
        error: read_error(object.get("error"), status),
        estimated: number(object, &["task_info", "estimated_time"])
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|estimate| *estimate <= ESTIMATE_MAX),
        usage: TaskUsage {
            reserved: money(object, &[&["usage", "credits_reserved"], &["billing", "reserved_credits"]]),
            used: money(
                object,
                &[&["usage", "credits_used"], &["billing", "charged_credits"], &["usage", "cost", "credits"]],
            ),
        },
    })
}

/// `id` or `task_id`; the one that looks like Evolink's where both are there.
fn read_id(object: &Map<String, Value>) -> Option<TaskId> {
    let ids = ["id", "task_id"].map(|name| object.get(name).and_then(Value::as_str).filter(|id| is_id(id)));
    let ids = ids.into_iter().flatten();
    ids.clone().find(|id| id.starts_with("task-")).or_else(|| ids.clone().next()).map(TaskId::new)
}

fn read_status(text: &str) -> TaskStatus {
    match text.to_ascii_lowercase().as_str() {
        "pending" | "queued" | "submitted" => TaskStatus::Pending,
        "completed" | "success" | "succeeded" => TaskStatus::Completed,
        "failed" | "error" | "failure" => TaskStatus::Failed,
        "cancelled" | "canceled" => TaskStatus::Cancelled,
        _ => TaskStatus::Processing,
    }
}

fn read_percent(value: &Value) -> Option<u8> {
    let percent = value.as_f64()?;
    Some((0..=100).rev().find(|whole| f64::from(*whole) <= percent).unwrap_or(0))
}

/// Links of `results`, then of `result_data`; each a list of texts or objects, or a single one.
fn read_links(object: &Map<String, Value>) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for value in ["results", "result_data"].iter().filter_map(|name| object.get(*name)) {
        let entries = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for link in entries.iter().filter_map(read_link) {
            if links.len() < LINKS_MAX && !links.iter().any(|known| known == link) {
                links.push(link.to_owned());
            }
        }
    }
    links
}

/// One result is one link: the text itself, or the object's `image_url`, `url` or other `…_url` that is no preview.
fn read_link(entry: &Value) -> Option<&str> {
    let of = |value: &Value| -> bool { value.as_str().is_some_and(is_link) };
    match entry {
        Value::Object(object) => ["image_url", "url"]
            .iter()
            .find_map(|name| object.get(*name).filter(|value| of(value)))
            .or_else(|| {
                let mut others = object.iter().filter(|(name, value)| is_result_name(name) && of(value));
                others.next().map(|(_, value)| value)
            })
            .and_then(Value::as_str),
        text => text.as_str().filter(|text| is_link(text)),
    }
}

fn is_result_name(name: &str) -> bool {
    name.ends_with("_url")
        && !["thumb", "preview", "cover", "callback"].iter().any(|part| name.contains(part))
}

fn is_link(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"))
        && text.len() <= LINK_BYTES_MAX
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// The error of a task that failed or was cancelled; one that gives no reason gets the documented code for that.
fn read_error(value: Option<&Value>, status: TaskStatus) -> Option<TaskError> {
    let fallback = match status {
        TaskStatus::Failed => "unknown_error",
        TaskStatus::Cancelled => "request_cancelled",
        TaskStatus::Pending | TaskStatus::Processing | TaskStatus::Completed => return None,
    };
    let (code, message) = match value {
        Some(Value::Object(error)) => (
            error.get("code").and_then(|code| match code {
                Value::String(text) => Some(text.to_ascii_lowercase()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }),
            ["message", "msg"].iter().find_map(|name| error.get(*name)?.as_str()).unwrap_or_default(),
        ),
        Some(Value::String(text)) if !text.contains(char::is_whitespace) => {
            (Some(text.to_ascii_lowercase()), text.as_str())
        }
        Some(Value::String(text)) => (None, text.as_str()),
        _ => (None, ""),
    };
    let code = code.filter(|code| !code.is_empty()).unwrap_or_else(|| fallback.to_owned());
    Some(TaskError { code: clip(&code, CODE_CHARS_MAX), message: clip(message, MESSAGE_CHARS_MAX) })
}

fn number(object: &Map<String, Value>, path: &[&str]) -> Option<f64> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, name| value.get(*name))?.as_f64()
}

/// The first of the places that holds an amount.
fn money(object: &Map<String, Value>, places: &[&[&str]]) -> Option<Credits> {
    places.iter().find_map(|path| Credits::from_decimal(number(object, path)?))
}

#[cfg(test)]
mod tests;
