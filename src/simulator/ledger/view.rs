//! The ledger as tests read it, in process or as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::Ledger;
use crate::simulator::billing::credits;
use crate::simulator::epoch::Epoch;
use crate::simulator::task::{Fate, Stage, Task};

/// A snapshot of the books.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LedgerView {
    /// Milliseconds since the simulator's start at which the snapshot was taken.
    pub now_ms: f64,
    pub totals: Totals,
    /// Oldest first.
    pub tasks: Vec<TaskView>,
    /// The last creates that made no task.
    pub refusals: Vec<Refusal>,
    /// Paths of media requests that carried an Authorization header.
    pub leaks: Vec<String>,
}

/// Counters since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// POSTs of generations, whatever came of them.
    pub create_calls: u64,
    /// Creates that made a task.
    pub creates_accepted: u64,
    /// Creates answered with the task of an earlier one.
    pub creates_replayed: u64,
    /// Creates answered with an error.
    pub creates_refused: u64,
    /// GETs of one task.
    pub task_calls: u64,
    pub batch_calls: u64,
    pub list_calls: u64,
    pub cancel_calls: u64,
    /// Looks at tasks: single GETs and inclusions in a batch.
    pub looks: u64,
    /// Most task and batch calls within any second.
    pub calls_per_second_max: u32,
    pub media_fetches: u64,
    /// Media requests refused for their User-Agent.
    pub media_refused: u64,
    pub uploads: u64,
    /// Media requests that carried an Authorization header.
    pub leaks: u64,
    pub callbacks_sent: u64,
    /// Ended tasks dropped to bound memory.
    pub tasks_forgotten: u64,
    /// Credits of all tasks in the snapshot (filled in when it is taken).
    pub credits_reserved: f64,
    pub credits_charged: f64,
    pub credits_refunded: f64,
}

/// A create that made no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub status: u16,
    pub reason: String,
    pub body: String,
}

/// One task. Times in milliseconds: `_ms` since the simulator's start, `_unix_ms` since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskView {
    pub id: String,
    pub idempotency_key: Option<String>,
    pub model: String,
    pub prompt: String,
    /// The create's body as JSON.
    pub body: Value,
    /// The create's body, byte for byte.
    pub body_text: String,
    /// pending, processing, completed, failed or cancelled, at the time of the snapshot.
    pub status: String,
    /// The code of a task that fails.
    pub error_code: Option<String>,
    pub created_ms: f64,
    pub created_unix_ms: f64,
    /// The true end; in the future while the task runs.
    pub ends_ms: f64,
    pub ends_unix_ms: f64,
    /// The first answer that showed the end.
    pub noticed_ms: Option<f64>,
    pub noticed_unix_ms: Option<f64>,
    pub looks: u32,
    pub looks_after_end: u32,
    pub media_fetches: u32,
    pub callback_tries: u32,
    pub callback_delivered: bool,
    pub pictures: u32,
    pub credits_reserved: f64,
    pub credits_charged: f64,
    pub credits_refunded: f64,
}

impl Ledger {
    /// The books as they are now.
    pub fn view(&self, epoch: &Epoch, now: Instant) -> LedgerView {
        let tasks: Vec<&Task> = self.order.iter().filter_map(|id| self.tasks.get(id)).collect();
        let sum = |part: &dyn Fn(&Task) -> u64| credits(tasks.iter().map(|task| part(task)).sum());
        let totals = Totals {
            credits_reserved: sum(&|task| task.reserved),
            credits_charged: sum(&|task| task.charged(now)),
            credits_refunded: sum(&|task| task.refunded(now)),
            ..self.totals.clone()
        };
        LedgerView {
            now_ms: epoch.ms(now),
            totals,
            tasks: tasks.iter().map(|task| shown(task, epoch, now)).collect(),
            refusals: self.refusals.iter().cloned().collect(),
            leaks: self.leaks.iter().cloned().collect(),
        }
    }
}

fn shown(task: &Task, epoch: &Epoch, now: Instant) -> TaskView {
    let ended = task.stage(now) == Stage::Ended;
    TaskView {
        id: task.id.to_string(),
        idempotency_key: task.key.clone(),
        model: task.order.model.clone(),
        prompt: task.order.prompt.clone(),
        body: serde_json::from_str(&task.body).unwrap_or_default(),
        body_text: task.body.to_string(),
        status: task.status(task.stage(now)).to_owned(),
        error_code: match &task.fate {
            Fate::Failed { code, .. } if ended => Some(code.clone()),
            _ => None,
        },
        created_ms: epoch.ms(task.created),
        created_unix_ms: epoch.unix_ms(task.created),
        ends_ms: epoch.ms(task.ends),
        ends_unix_ms: epoch.unix_ms(task.ends),
        noticed_ms: task.noticed.map(|noticed| epoch.ms(noticed)),
        noticed_unix_ms: task.noticed.map(|noticed| epoch.unix_ms(noticed)),
        looks: task.looks,
        looks_after_end: task.looks_after_end,
        media_fetches: task.media_fetches,
        callback_tries: task.callback_tries,
        callback_delivered: task.callback_delivered,
        pictures: task.pictures,
        credits_reserved: credits(task.reserved),
        credits_charged: credits(task.charged(now)),
        credits_refunded: credits(task.refunded(now)),
    }
}
