//! `POST /v1/images/generations`: faults, checks, upstream keys, and the making of tasks.

mod making;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Answer, Cut, Outcome, never, ok, refusal, whole, with_header, with_retry_after};
use super::faults::{Create, Details, Effect, words_in};
use super::ledger::{Ledger, Refusal};
use super::order::{self, Order, OrderError};
use super::task::{Fate, Stage};
use super::{SLOW, World, billing, callback, references};
use making::made;
use refusal::{poor, without_task};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A create that passed the checks.
struct Wanted<'a> {
    order: Order,
    key: Option<&'a str>,
    owner: u64,
    host: &'a str,
    body: &'a str,
}

/// What became of it.
enum Taken {
    New(Arc<str>),
    Replayed(Arc<str>),
    Refused(Answer),
}

/// Answers a create.
pub(super) async fn create(world: &Arc<World>, headers: &HeaderMap, body: Bytes, owner: u64) -> Outcome {
    world.ledger().totals.create_calls += 1;
    let wanted = match wanted(world, headers, &body, owner) {
        Ok(wanted) => wanted,
        Err((status, code, message)) => return Ok(refused(world, &body, refusal(status, code, &message))),
    };
    let fault = fault_of(&mut world.ledger(), &wanted);
    if let Some((fault, details)) = &fault
        && let Some(answer) = without_task(*fault, details, &wanted.order)
    {
        return Ok(refused(world, &body, answer));
    }
    let (id, replayed) = match take(world, wanted, fault.as_ref().map(|(fault, _)| *fault)) {
        Taken::New(id) => (id, false),
        Taken::Replayed(id) => (id, true),
        Taken::Refused(answer) => return Ok(refused(world, &body, answer)),
    };
    if !replayed {
        callback::watch(world, &id);
    }
    let answer = receipt(&world.ledger(), &id);
    let answer = if replayed { with_header(answer, REPLAYED, "true") } else { answer };
    match fault {
        None => Ok(answer),
        Some((fault, details)) => spoiled(world, &id, fault, &details, answer).await,
    }
}

/// The create, or its refusal as status, code and message.
fn wanted<'a>(
    world: &'a World,
    headers: &'a HeaderMap,
    body: &'a [u8],
    owner: u64,
) -> Result<Wanted<'a>, (StatusCode, &'static str, String)> {
    let bad = |text: String| (StatusCode::BAD_REQUEST, "invalid_request", text);
    let order = order::read(body).map_err(|error| match &error {
        OrderError::Model(_) => (StatusCode::NOT_FOUND, "model_not_found", error.to_string()),
        _ => bad(error.to_string()),
    })?;
    let key = match headers.get(KEY).filter(|_| world.options.idempotency) {
        None => None,
        Some(key) => Some(key.to_str().ok().filter(|key| is_key(key)).ok_or_else(|| {
            bad("Idempotency-Key must be 16 to 96 characters of A-Z, a-z, 0-9, '.', '_' and '-'".to_owned())
        })?),
    };
    let body = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8".to_owned()))?;
    Ok(Wanted { order, key, owner, host: world.host_of(headers), body })
}

fn is_key(key: &str) -> bool {
    (16..=96).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn fault_of(ledger: &mut Ledger, wanted: &Wanted<'_>) -> Option<(Create, Details)> {
    let mut words = words_in(&wanted.order.prompt);
    words.retain(|fault| matches!(fault.effect, Effect::Create(_)));
    let scope = format!("create {} {}", wanted.key.unwrap_or_default(), wanted.body);
    ledger.strike(&scope, &words, &wanted.order.prompt, |effect| match effect {
        Effect::Create(create) => Some(*create),
        _ => None,
    })
}

/// Finds the task of the key, or makes one.
fn take(world: &World, wanted: Wanted<'_>, fault: Option<Create>) -> Taken {
    let now = Instant::now();
    let spoilt_input = references::problem(world, wanted.host, &wanted.order);
    let mut ledger = world.ledger();
    if let Some(key) = wanted.key
        && let Some(keyed) = ledger.keys.get(&(wanted.owner, key.to_owned()))
    {
        let same = ledger.tasks.get(&keyed.task).is_some_and(|task| *task.body == *wanted.body);
        if !same {
            let text = "Idempotency-Key was used for another request";
            return Taken::Refused(refusal(StatusCode::CONFLICT, "idempotency_conflict", text));
        }
        if keyed.open {
            let text = "The first request with this Idempotency-Key is still open";
            return Taken::Refused(refusal(StatusCode::CONFLICT, "paid_outcome_unknown", text));
        }
        let id = keyed.task.clone();
        ledger.totals.creates_replayed += 1;
        return Taken::Replayed(id);
    }
    let mut task = made(world, &mut ledger, wanted, now);
    if let Some(message) = spoilt_input {
        task.fate = Fate::Failed { code: "image_processing_error".to_owned(), message };
    }
    if fault == Some(Create::Terminal) {
        task.ends = now;
    }
    if !ledger.has_room(billing::micro(world.options.credits), task.reserved, now) {
        let left = billing::micro(world.options.credits).saturating_sub(ledger.weight(now));
        let message = "Insufficient quota. Please top up your account.";
        let (left, needed) = (billing::credits(left), billing::credits(task.reserved));
        return Taken::Refused(poor("insufficient_quota", message, left, needed));
    }
    let id = task.id.clone();
    tracing::debug!(task = %id, model = task.order.model, ms = (task.ends - now).as_millis(), "the simulator made a task");
    ledger.enter(task);
    Taken::New(id)
}

fn receipt(ledger: &Ledger, id: &str) -> Answer {
    match ledger.tasks.get(id) {
        Some(task) => {
            ok(&task.receipt(if task.ends == task.created { Stage::Ended } else { Stage::Pending }))
        }
        None => refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the task was forgotten"),
    }
}

/// The answer of a fault that strikes after the task was made.
async fn spoiled(world: &Arc<World>, id: &str, fault: Create, details: &Details, answer: Answer) -> Outcome {
    let spoilt = match fault {
        Create::Lost => Err(Cut),
        Create::Hang => {
            let _open = Open::begin(world, id);
            never().await
        }
        Create::Slow => {
            let _open = Open::begin(world, id);
            tokio::time::sleep(details.after.unwrap_or(SLOW)).await;
            Ok(answer)
        }
        Create::Malformed => Ok(whole(
            StatusCode::OK,
            "application/json",
            format!("{{\"created\":1757156493,\"id\":\"{}", short(id)),
        )),
        Create::NoId => {
            let body: Value = json!({"object": "image.generation.task", "status": "pending", "progress": 0});
            Ok(ok(&body))
        }
        _ => Ok(answer),
    };
    spoilt.map(|answer| with_retry_after(answer, details.retry_after))
}

/// The first half of an id.
fn short(id: &str) -> &str {
    id.get(..id.len() / 2).unwrap_or(id)
}

fn refused(world: &World, body: &[u8], answer: Answer) -> Answer {
    let reason = answer.status().canonical_reason().unwrap_or("an error").to_owned();
    let body = String::from_utf8_lossy(body.get(..body.len().min(4096)).unwrap_or_default()).into_owned();
    world.ledger().refused(Refusal { status: answer.status().as_u16(), reason, body });
    answer
}

/// Marks a key as not answered yet, until dropped: also when the client leaves.
struct Open {
    world: Arc<World>,
    key: Option<(u64, String)>,
}

impl Open {
    fn begin(world: &Arc<World>, id: &str) -> Self {
        let key = {
            let ledger = world.ledger();
            ledger.tasks.get(id).and_then(|task| task.key.clone().map(|key| (task.owner, key)))
        };
        let open = Self { world: world.clone(), key };
        open.set(true);
        open
    }

    fn set(&self, to: bool) {
        if let Some(key) = &self.key
            && let Some(keyed) = self.world.ledger().keys.get_mut(key)
        {
            keyed.open = to;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.set(false);
    }
}
