//! Looks at tasks: one, a batch, the list; and cancelling.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::World;
use super::answer::{Answer, Cut, Outcome, json, never, ok, page, pieces, refusal, whole, with_retry_after};
use super::faults::{Armed, Details, Done, Effect, Poll};
use super::ledger::Ledger;
use super::task::{Fate, Stage, Task};
use super::{SLOW, callback};

const BATCH_MAX: usize = 50;
const PAGE_MAX: usize = 50;
const HUGE_BYTES: usize = 16 << 20;
const DEEP_LEVELS: usize = 100_000;

/// What one look found.
struct Glimpse {
    /// The task as JSON text: most looks only pass it on.
    body: String,
    fault: Option<(Poll, Details)>,
}

/// `GET /v1/tasks/{id}`.
pub(super) async fn one(world: &World, id: &str, owner: u64) -> Outcome {
    let glimpse = {
        let mut ledger = world.ledger();
        let now = Instant::now();
        ledger.totals.task_calls += 1;
        ledger.called(now);
        if !id.starts_with("task-unified-") {
            return Ok(invalid_id());
        }
        glimpse(&mut ledger, id, owner, now, true)
    };
    let Some(Glimpse { body, fault }) = glimpse else { return Ok(not_found(id)) };
    match fault {
        None => Ok(told(body)),
        Some((fault, details)) => spoiled(fault, &details, body).await,
    }
}

/// `POST /v1/tasks/batch`: tasks that are unknown or another's are absent.
pub(super) async fn batch(world: &World, body: &[u8], owner: u64) -> Outcome {
    #[derive(Deserialize)]
    struct Asked {
        task_ids: Vec<String>,
    }
    let asked: Option<Asked> = serde_json::from_slice(body).ok();
    let Some(asked) = asked.filter(|asked| (1..=BATCH_MAX).contains(&asked.task_ids.len())) else {
        let text = format!("task_ids must have 1 to {BATCH_MAX} entries");
        return Ok(refusal(StatusCode::BAD_REQUEST, "invalid_request", &text));
    };
    let mut whole_fault = None;
    let mut entries = Vec::with_capacity(asked.task_ids.len());
    {
        let mut ledger = world.ledger();
        let now = Instant::now();
        ledger.totals.batch_calls += 1;
        ledger.called(now);
        let prompts = prompts(&ledger, &asked.task_ids);
        let script = Armed::take(&mut ledger.scripts, &prompts, poll);
        for id in &asked.task_ids {
            let Some(Glimpse { body, fault }) = glimpse(&mut ledger, id, owner, now, false) else { continue };
            match fault {
                None | Some((Poll::Backwards | Poll::UnknownStatus, _)) => entries.push(body),
                Some((Poll::Status(StatusCode::NOT_FOUND), _)) => {}
                Some((Poll::Status(status), _)) => {
                    entries.push(json!({"id": id, "error": status.to_string()}).to_string());
                }
                Some(spoils_all) => whole_fault = Some(spoils_all),
            }
        }
        whole_fault = script.or(whole_fault);
    }
    let body = format!("{{\"data\":[{}]}}", entries.join(","));
    match whole_fault {
        None => Ok(told(body)),
        Some((fault, details)) => spoiled(fault, &details, body).await,
    }
}

/// The prompts of a batch, for faults that wait for a text.
fn prompts(ledger: &Ledger, ids: &[String]) -> String {
    if ledger.scripts.is_empty() {
        return String::new();
    }
    let prompts =
        ids.iter().filter_map(|id| ledger.tasks.get(id.as_str())).map(|task| task.order.prompt.as_str());
    prompts.collect::<Vec<_>>().join("\n")
}

fn poll(effect: &Effect) -> Option<Poll> {
    if let Effect::Poll(poll) = effect { Some(*poll) } else { None }
}

fn odd_end(effect: &Effect) -> Option<Done> {
    match effect {
        Effect::Done(done @ (Done::NoLinks | Done::ResultData | Done::ResultObject)) => Some(*done),
        _ => None,
    }
}

/// Looks at a task: counts the look and writes its JSON. None: no such task. `scripted`: scripts may strike it.
fn glimpse(ledger: &mut Ledger, id: &str, owner: u64, now: Instant, scripted: bool) -> Option<Glimpse> {
    let Ledger { tasks, scripts, totals, .. } = ledger;
    let task = tasks.get_mut(id).filter(|task| task.owner == owner)?;
    let none: &mut [Armed] = &mut [];
    totals.looks += 1;
    task.looks += 1;
    let prompt = task.order.prompt.as_str();
    let fault = Armed::take(&mut task.faults, prompt, poll)
        .or_else(|| Armed::take(if scripted { &mut *scripts } else { none }, prompt, poll));
    let struck = fault.as_ref().map(|(fault, _)| *fault);
    let mut stage = task.stage(now);
    if stage == Stage::Ended {
        task.looks_after_end += 1;
    }
    if struck == Some(Poll::Backwards) && task.looks.is_multiple_of(2) {
        stage = Stage::Processing(1);
    }
    let odd = match (stage, &task.fate) {
        (Stage::Ended, Fate::Completed) => Armed::take(&mut task.faults, prompt, odd_end)
            .or_else(|| Armed::take(scripts, prompt, odd_end))
            .map(|(odd, _)| odd),
        _ => None,
    };
    if stage == Stage::Ended && matches!(struck, None | Some(Poll::Backwards | Poll::UnknownStatus)) {
        task.noticed.get_or_insert(now);
    }
    let mut wire = task.report(stage, odd);
    if struck == Some(Poll::UnknownStatus) && stage != Stage::Ended {
        wire.status = "warming_up";
    }
    Some(Glimpse { body: serde_json::to_string(&wire).unwrap_or_default(), fault })
}

/// The answer to a look under a fault.
async fn spoiled(fault: Poll, details: &Details, body: String) -> Outcome {
    let answer = match fault {
        Poll::Status(status) => failure(status, details),
        Poll::Html => page(details.status.unwrap_or(StatusCode::OK)),
        Poll::Malformed => told(body.get(..body.len() / 2).unwrap_or_default().to_owned()),
        Poll::Huge => told(format!("{{\"padding\":\"{}\"}}", "x".repeat(HUGE_BYTES))),
        Poll::Deep => told(format!("{}{}", "[".repeat(DEEP_LEVELS), "]".repeat(DEEP_LEVELS))),
        Poll::Hang => return never().await,
        Poll::Slow => {
            tokio::time::sleep(details.after.unwrap_or(SLOW)).await;
            told(body)
        }
        Poll::Cut => {
            let text = Bytes::from(body);
            let half = text.slice(..text.len() / 2);
            let mut answer = ok(&Value::Null);
            *answer.body_mut() = pieces(vec![half], std::time::Duration::ZERO, true);
            answer
        }
        Poll::Backwards | Poll::UnknownStatus => told(body),
    };
    Ok::<_, Cut>(with_retry_after(answer, details.retry_after))
}

/// A 200 with this JSON text.
fn told(body: String) -> Answer {
    whole(StatusCode::OK, "application/json", body)
}

fn failure(status: StatusCode, details: &Details) -> Answer {
    let (code, message) = match status.as_u16() {
        400 => ("invalid_task_id", "Invalid task id"),
        401 => ("unauthorized", "Invalid or expired token"),
        402 => ("quota_exceeded", "Quota exceeded"),
        403 => ("permission_denied", "You do not have access to this task"),
        404 => ("task_not_found", "Task not found"),
        429 => ("rate_limit_exceeded", "Too many requests"),
        _ => ("internal_error", "Internal server error"),
    };
    let code = details.code.as_deref().unwrap_or(code);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return json(status, &json!({"error": {"code": code, "message": message, "type": "evo_api_error"}}));
    }
    refusal(status, code, message)
}

fn invalid_id() -> Answer {
    let error = json!({
        "code": "invalid_task_id", "message": "Invalid task id format", "type": "invalid_request_error", "param": "task_id",
    });
    json(StatusCode::BAD_REQUEST, &json!({"error": error}))
}

fn not_found(id: &str) -> Answer {
    refusal(StatusCode::NOT_FOUND, "task_not_found", &format!("Task not found: {id}"))
}

/// `GET /v1/tasks`: the account's tasks, newest first, without links.
pub(super) fn list(world: &World, query: &str, owner: u64) -> Answer {
    let field = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    let number =
        |name: &str, usual: usize| field(name).and_then(|text| text.parse().ok()).unwrap_or(usual).max(1);
    let (page, size) = (number("page", 1), number("page_size", 20).min(PAGE_MAX));
    let now = Instant::now();
    let mut ledger = world.ledger();
    ledger.totals.list_calls += 1;
    let fits = |task: &&Task| {
        let status = task.status(task.stage(now));
        // "processing" takes in what is queued
        let status = if status == "pending" { "processing" } else { status };
        field("status").is_none_or(|wanted| wanted == status)
            && field("model").is_none_or(|wanted| wanted == task.order.model)
            && field("type").is_none_or(|wanted| wanted == "image")
    };
    let total = ledger.newest_of(owner).filter(fits).count();
    let shown = ledger.newest_of(owner).filter(fits).skip((page - 1).saturating_mul(size)).take(size);
    let data: Vec<Value> = shown.map(|task| listed(task, now)).collect();
    ok(&json!({"data": data, "total": total, "page": page, "page_size": size}))
}

fn listed(task: &Task, now: Instant) -> Value {
    let stage = task.stage(now);
    let done = stage == Stage::Ended && task.fate == Fate::Completed;
    let progress = match stage {
        Stage::Pending => 0,
        Stage::Processing(percent) => percent,
        Stage::Ended => 100,
    };
    json!({
        "id": *task.id, "model": task.order.model, "type": "image", "status": task.status(stage), "progress": progress,
        "created_at": task.created_unix, "duration": (task.ends.min(now) - task.created).as_secs(),
        "has_results": done, "result_count": if done { task.pictures } else { 0 },
        "has_error": stage == Stage::Ended && matches!(task.fate, Fate::Failed { .. }),
        "credits_used": super::billing::credits(task.charged(now)),
    })
}

/// `DELETE /v1/tasks/{id}`: ends a running task.
pub(super) fn cancel(world: &Arc<World>, id: &str, owner: u64) -> Answer {
    let now = Instant::now();
    {
        let mut ledger = world.ledger();
        ledger.totals.cancel_calls += 1;
        let Some(task) = ledger.task_of(id, owner) else { return not_found(id) };
        if task.stage(now) == Stage::Ended {
            let text = "Task cannot be cancelled: it has ended";
            return refusal(StatusCode::BAD_REQUEST, "invalid_request", text);
        }
        task.fate = Fate::Cancelled;
        task.ends = now;
    }
    callback::watch(world, id);
    let body = json!({
        "id": id, "object": "task.cancelled", "status": "cancelled", "message": "Task cancelled successfully",
    });
    ok(&body)
}
