//! `POST /v1/images/generations`: faults, checks, upstream keys, and the making of tasks.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::World;
use super::answer::{
    Answer, Cut, Outcome, json, kind_of, never, ok, page, refusal, whole, with_header, with_retry_after,
};
use super::faults::{Armed, Create, Details, Done, Effect, words_in};
use super::ledger::{Ledger, Refusal};
use super::order::{self, Order, OrderError};
use super::task::{Fate, Stage, Task, message_of};
use super::{billing, callback, latency, references};

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
        Err(answer) => return Ok(refused(world, &body, answer)),
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

fn wanted<'a>(
    world: &'a World,
    headers: &'a HeaderMap,
    body: &'a [u8],
    owner: u64,
) -> Result<Wanted<'a>, Answer> {
    let order = order::read(body).map_err(|error| match &error {
        OrderError::Model(_) => refusal(StatusCode::NOT_FOUND, "model_not_found", &error.to_string()),
        _ => refusal(StatusCode::BAD_REQUEST, "invalid_request", &error.to_string()),
    })?;
    let key = match headers.get(KEY).filter(|_| world.options.idempotency) {
        None => None,
        Some(key) => Some(key.to_str().ok().filter(|key| is_key(key)).ok_or_else(|| {
            let text = "Idempotency-Key must be 16 to 96 characters of A-Z, a-z, 0-9, '.', '_' and '-'";
            refusal(StatusCode::BAD_REQUEST, "invalid_request", text)
        })?),
    };
    let host = world.host_of(headers);
    let body = std::str::from_utf8(body)
        .map_err(|_| refusal(StatusCode::BAD_REQUEST, "invalid_request", "the body is not UTF-8"))?;
    Ok(Wanted { order, key, owner, host, body })
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

/// The answer of a fault that makes no task.
fn without_task(fault: Create, details: &Details, order: &Order) -> Option<Answer> {
    let status = |usual| details.status.unwrap_or(usual);
    let answer = match fault {
        Create::Status(status) => failure(status, details, order),
        Create::Html => page(status(StatusCode::BAD_GATEWAY)),
        Create::OkError => {
            refusal(StatusCode::OK, details.code.as_deref().unwrap_or("service_error"), "Service error")
        }
        Create::Flat => {
            let code = details.code.as_deref().unwrap_or("invalid_request");
            json(
                status(StatusCode::BAD_REQUEST),
                &json!({"code": code, "message": "Invalid request parameters"}),
            )
        }
        Create::IntCode => {
            let status = status(StatusCode::SERVICE_UNAVAILABLE);
            let error =
                json!({"code": status.as_u16(), "message": "upstream error", "type": kind_of(status)});
            json(status, &json!({"error": error}))
        }
        Create::Redirect => with_header(
            whole(StatusCode::FOUND, "text/plain", ""),
            LOCATION,
            "http://169.254.169.254/latest/meta-data/",
        ),
        _ => return None,
    };
    Some(with_retry_after(answer, details.retry_after))
}

/// An HTTP error with the body that Evolink gives to its status.
fn failure(status: StatusCode, details: &Details, order: &Order) -> Answer {
    let model = &order.model;
    let (code, message) = match status.as_u16() {
        400 => ("invalid_request", "Invalid request parameters".to_owned()),
        401 => ("unauthorized", "Invalid or expired token".to_owned()),
        402 => ("insufficient_quota", "Insufficient quota. Please top up your account.".to_owned()),
        403 => ("model_access_denied", format!("Token does not have access to model: {model}")),
        404 => ("model_not_found", format!("The model '{model}' does not exist")),
        409 => ("idempotency_conflict", "Idempotency-Key was used for another request".to_owned()),
        429 => ("rate_limit_exceeded", "Too many requests, please try again later".to_owned()),
        502 => ("upstream_error", "Upstream error".to_owned()),
        503 => ("service_unavailable", "The service is unavailable, retry after 30 seconds".to_owned()),
        _ => ("internal_error", "Internal server error".to_owned()),
    };
    let code = details.code.as_deref().unwrap_or(code);
    if status == StatusCode::PAYMENT_REQUIRED {
        return poor(code, &message, 1.25, 3.23);
    }
    refusal(status, code, &message)
}

/// 402 with the account's figures, which no client of a gateway may ever see.
fn poor(code: &str, message: &str, left: f64, needed: f64) -> Answer {
    let error = json!({
        "code": code, "message": message, "type": "insufficient_quota", "key_name": "simulator-key",
        "account_balance_credits": left, "estimated_credits": needed, "limit_scope": "account",
    });
    json(StatusCode::PAYMENT_REQUIRED, &json!({"error": error}))
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

/// A new task with its future.
fn made(world: &World, ledger: &mut Ledger, wanted: Wanted<'_>, now: Instant) -> Task {
    ledger.serial += 1;
    let random = latency::random(world.options.seed, ledger.serial);
    let Wanted { order, key, owner, host, body } = wanted;
    let mut words = words_in(&order.prompt);
    let faults = words.extract_if(.., |fault| stays_with_task(&fault.effect)).map(Armed::new).collect();
    words.retain(|fault| !matches!(fault.effect, Effect::Create(_)));
    let scope = if words.is_empty() { String::new() } else { format!("task {}", order.prompt) };
    let mut has = |done: Done| {
        let pick = |effect: &Effect| (*effect == Effect::Done(done)).then_some(());
        ledger.strike(&scope, &words, &order.prompt, pick).is_some()
    };
    let (cancelled, overcharged, all) = (has(Done::Cancelled), has(Done::Overcharged), has(Done::AllN));
    let failed = ledger.strike(&scope, &words, &order.prompt, |effect| match effect {
        Effect::Fail(code) => Some(code.clone()),
        _ => None,
    });
    let fixed = ledger.strike(&scope, &words, &order.prompt, |effect| match effect {
        Effect::Latency(time) => Some(*time),
        _ => None,
    });
    let pictures = if all { order.n } else { 1 };
    let range =
        world.options.latency.unwrap_or_else(|| latency::range(order.pixels.tier(), order.quality, order.n));
    let time = fixed.map_or_else(|| latency::drawn(range, random, world.options.speed), |(time, _)| time);
    let price = billing::charge(order.pixels, order.quality, pictures, &order.prompt, order.references.len());
    let created_unix = world.epoch.wall(now).as_second();
    Task {
        id: identity(created_unix, world.options.seed, ledger.serial),
        owner,
        key: key.map(ToOwned::to_owned),
        body: body.into(),
        host: host.into(),
        created: now,
        created_unix,
        ends: now + time,
        fate: match failed {
            Some((code, _)) => Fate::Failed { message: message_of(&code, random), code },
            None if cancelled => Fate::Cancelled,
            None => Fate::Completed,
        },
        pictures,
        reserved: billing::reserve(price),
        charge: if overcharged { 2 * billing::reserve(price) } else { price },
        estimated_time: world.options.estimated_time,
        noticed: None,
        looks: 0,
        looks_after_end: 0,
        media_fetches: 0,
        callback_tries: 0,
        callback_delivered: false,
        faults,
        order,
    }
}

/// Faults of a prompt that count per task.
fn stays_with_task(effect: &Effect) -> bool {
    match effect {
        Effect::Poll(_) | Effect::Media(_) => true,
        Effect::Done(done) => matches!(done, Done::NoLinks | Done::ResultData | Done::ResultObject),
        _ => false,
    }
}

/// `task-unified-<unix>-<8 characters>`; the characters are one to one with the serial number.
fn identity(unix: i64, seed: u64, serial: u64) -> Arc<str> {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const IDS: u64 = 36_u64.pow(8);
    // an odd multiplier that is no multiple of 3 runs through all 36^8 numbers once
    let mut number = (seed % IDS + serial.wrapping_mul(1_779_033_703_952_099 % IDS) % IDS) % IDS;
    let mut id = format!("task-unified-{unix}-");
    for _ in 0..8 {
        let letter = usize::try_from(number % 36).ok().and_then(|at| LETTERS.get(at)).unwrap_or(&b'0');
        id.push(char::from(*letter));
        number /= 36;
    }
    id.into()
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
            tokio::time::sleep(details.after.unwrap_or(super::SLOW)).await;
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
