//! Reading a page of the account's task list.

use serde_json::{Map, Value};

use super::{clip, is_id, json, no_task};
use crate::evolink::exchange::Answer;
use crate::evolink::{CallError, ListedTask, TaskId};

const MODEL_CHARS_MAX: usize = 128;
/// Above this a time is in milliseconds: as seconds it would be the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

/// One page.
#[derive(Debug)]
pub(in crate::evolink) struct ListPage {
    /// Those entries that have an id and a time.
    pub tasks: Vec<ListedTask>,
    pub entries: usize,
    /// Tasks on all pages together, if it says so.
    pub total: Option<usize>,
}

/// `{"data": [...], "total": N}`.
pub(in crate::evolink) fn list(answer: &Answer) -> Result<ListPage, CallError> {
    let value = json(answer)?;
    let entries = ["/data", "/data/tasks", "/data/list", "/tasks"]
        .iter()
        .find_map(|path| value.pointer(path)?.as_array())
        .or_else(|| value.as_array());
    let Some(entries) = entries else { return Err(no_task(answer, &value, "no list of tasks in it")) };
    let total = value.get("total").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
    let tasks = entries.iter().filter_map(Value::as_object).filter_map(listed).collect();
    Ok(ListPage { tasks, entries: entries.len(), total })
}

fn listed(object: &Map<String, Value>) -> Option<ListedTask> {
    let id = object.get("id").and_then(Value::as_str).filter(|id| is_id(id))?;
    let created = ["created_at", "created"].iter().find_map(|name| time(object.get(*name)?))?;
    let model = object.get("model").and_then(Value::as_str).unwrap_or_default();
    Some(ListedTask { id: TaskId::new(id), model: clip(model, MODEL_CHARS_MAX), created })
}

/// Seconds or milliseconds of Unix time, or ISO 8601 with its zone.
fn time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            Some(time.as_second())
        }
        number => {
            let number = number.as_i64()?;
            Some(if number.abs() > SECONDS_MAX { number.div_euclid(1000) } else { number })
        }
    }
}
