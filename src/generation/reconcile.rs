//! Looking for the task of a create in doubt in upstream's list of tasks, when it may not be repeated.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use tokio::time::Instant;

use super::House;
use super::claims::Finding;
use super::model::Generation;
use super::purchase::Purchase;
use crate::evolink::{CallError, ListedTask, Task, TaskId, TaskStatus, TaskUsage};

/// The first pause between looks; doubles each time.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// While only the list's catching up is waited for.
const PAUSE_MAX_UNTIL_SURE: Duration = Duration::from_secs(20);
/// The list has caught up with a create that was last sent so long ago.
const CAUGHT_UP: Duration = Duration::from_mins(1);

/// Looks at the list again and again, until it has a task that can only be this create's. `until_sure`: or until it has
/// caught up with the last try and has none, which is then none.
pub(super) async fn find(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
    until_sure: bool,
) -> Option<Task> {
    let began = Instant::now();
    let mut said = Said::default();
    let mut pause = PAUSE_FIRST;
    loop {
        let jitter = rand::rng().random_range(0.75..1.0);
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(if until_sure { PAUSE_MAX_UNTIL_SURE } else { PAUSE_MAX });
        // As it was before the look.
        let caught_up = began.elapsed() >= CAUGHT_UP;
        match look(house, purchase).await {
            Ok(Finding::Ours(task_id)) => {
                let (generation_id, key) = (generation.id(), purchase.key.as_str());
                tracing::info!(%generation_id, key, %task_id, "a create in doubt has its task: evolink's list has just one that it can have made");
                return Some(found(task_id));
            }
            Ok(Finding::Nothing) if until_sure && caught_up => return None,
            Ok(finding) => said.tell(generation, purchase, &finding),
            Err(error) => said.tell_failure(generation, &error),
        }
    }
}

/// Why a look told nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    List(#[from] CallError),
    #[error("there are too many tasks since then")]
    TooLong,
    #[error(transparent)]
    Journal(#[from] super::JournalError),
}

async fn look(house: &House, purchase: &Purchase) -> Result<Finding, LookError> {
    let Some(wanted) = purchase.claim.wanted() else { return Ok(Finding::Nothing) };
    let list = house.upstream.tasks_since(&wanted.model, wanted.since()).await?;
    let mut candidates = purchase.claim.candidates(list.tasks);
    if !candidates.is_empty() {
        let ids = candidates.iter().map(|task| task.id.clone()).collect();
        let kept = house.journal.on_record(ids).await?;
        candidates.retain(|task: &ListedTask| !kept.contains(&task.id));
    }
    if list.reaches_back { Ok(purchase.claim.judge(candidates)) } else { Err(LookError::TooLong) }
}

/// As the list tells of it; the rest is seen by looking at the task itself.
fn found(id: TaskId) -> Task {
    Task {
        id,
        status: TaskStatus::Processing,
        progress: None,
        links: Vec::new(),
        error: None,
        estimated: None,
        usage: TaskUsage::default(),
    }
}

/// What the log was told, so that it is told once.
#[derive(Default)]
struct Said {
    finding: Option<Finding>,
    failing: bool,
}

impl Said {
    fn tell(&mut self, generation: &Generation, purchase: &Purchase, finding: &Finding) {
        self.failing = false;
        if self.finding.as_ref() == Some(finding) || purchase.age() < CAUGHT_UP {
            return;
        }
        let (generation_id, image, key) = (generation.id(), purchase.id.image, purchase.key.as_str());
        let (model, sent) = (generation.plan().task.model.as_str(), sent(purchase));
        match finding {
            Finding::Unclear(candidates) => {
                let candidates: Vec<&str> = candidates.iter().map(TaskId::as_str).collect();
                let candidates = candidates.join(" ");
                tracing::error!(%generation_id, image, key, model, sent, candidates, "evolink's list has tasks that a create in doubt may have made, or others: see at evolink which is its");
            }
            _ => {
                tracing::error!(%generation_id, image, key, model, sent, "evolink's list has no task of a create in doubt: it was probably not taken, and is not repeated");
            }
        }
        self.finding = Some(finding.clone());
    }

    fn tell_failure(&mut self, generation: &Generation, error: &LookError) {
        if !self.failing {
            tracing::warn!(generation_id = %generation.id(), %error, "evolink's list of tasks tells nothing of a create in doubt; it is read again");
        }
        self.failing = true;
    }
}

/// When it was first sent, for people.
pub(super) fn sent(purchase: &Purchase) -> String {
    Timestamp::from_millisecond(purchase.begun_ms).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}
