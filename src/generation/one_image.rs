//! One image of a generation: a place, a create, its task's end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::House;
use super::create::create;
use super::doubt;
use super::model::{Generation, ImageResult, MadeImage, Phase, Timing};
use super::purchase::{Left, Purchase};
use super::slots::{Slot, Standing};
use super::uploads::nobody_waits;
use super::watch::{Ended, Expected, Watched};
use crate::evolink::{CreateBody, Task, TaskError, TaskId, TaskStatus, UploadLinks, create_body, task_fault};
use crate::fault::{Fault, FaultKind};
use crate::money::Credits;

/// However old a task is, this long it is looked at before it is given up: after a long standstill it has ended.
const LAST_LOOKS: Duration = Duration::from_mins(1);

/// Where an image begins.
pub(super) enum Step {
    /// It is to be bought, with the pictures of the request at these links.
    Buy { links: Arc<UploadLinks>, taken_up: bool },
    /// It has its place and is written down already.
    Ready(Purchase, Slot),
    /// An earlier process began it.
    Left(Left),
}

/// A task that was bought and has not ended.
struct Bought<'a> {
    purchase: &'a Purchase,
    id: TaskId,
    /// Since when it runs upstream, as far as is known.
    since: Instant,
    estimated: Option<Duration>,
}

/// Buys the image or goes on with it, and waits for its end.
pub(super) async fn image(
    house: &House,
    generation: &Generation,
    index: u8,
    step: Step,
    standing: &Standing<'_>,
    timing: &mut Timing,
) -> ImageResult {
    let queued = Instant::now();
    let (purchase, made, slot) = match step {
        Step::Left(Left::Ended(result)) => {
            if let Ok(made) = &result {
                generation.note_task(made.task.clone());
                generation.note_end(&made.task);
            }
            return result;
        }
        // It is under way upstream, whether or not there is a place for it.
        Step::Left(Left::Begun(purchase)) => (purchase, None, house.slots.take_over(standing)),
        Step::Left(Left::Made { purchase, task, reserved }) => {
            (purchase, Some((task, reserved)), house.slots.take_over(standing))
        }
        Step::Ready(purchase, slot) => (purchase, None, Some(slot)),
        Step::Buy { links, taken_up } => {
            let slot = house.slots.take(standing).await?;
            timing.queue = queued.elapsed();
            // Not before there is a place: ten copies of a long prompt for each generation in the queue would be much.
            let body = body(generation, index, &links, taken_up)?;
            if !generation.audience.may_buy() {
                return Err(nobody_waits());
            }
            (Purchase::begin(house, generation, index, body).await?, None, Some(slot))
        }
    };
    generation.note_place();
    let result = bought(house, generation, &purchase, made, slot, timing).await;
    purchase.note_end(house, &result);
    if result.is_ok() {
        generation.progress.image(index).made();
    }
    result
}

/// What the create of this image sends.
fn body(
    generation: &Generation,
    index: u8,
    links: &UploadLinks,
    taken_up: bool,
) -> Result<CreateBody, Fault> {
    create_body(&generation.plan().task, index, links).ok_or_else(|| {
        if taken_up {
            let message = "The pictures of the request were lost when the gateway was restarted. Send the request again.";
            return Fault::new(FaultKind::Overloaded, message);
        }
        let message = "The gateway made a mistake with the pictures of the request.";
        Fault::new(FaultKind::Internal, message).with_cause("a picture of the task is in none of the inputs")
    })
}

/// From the create to the end of its task. `made`: the task is known already, and what it reserved.
async fn bought(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
    made: Option<(TaskId, Option<Credits>)>,
    mut slot: Option<Slot>,
    timing: &mut Timing,
) -> ImageResult {
    let began = Instant::now();
    // Before the create is sent: its task may end before the answer is here.
    let callback = purchase.expect_callback(house);
    let (task, reserved) = if let Some((id, reserved)) = made {
        (Err(Bought { purchase, id, since: purchase.begun, estimated: None }), reserved)
    } else {
        let task = match create(house, generation, purchase).await {
            Err(fault) if fault.kind() == FaultKind::OutcomeUnknown => {
                // A task that may never come holds no place.
                slot.take();
                doubt::outlast(house, generation, purchase).await?
            }
            outcome => outcome?,
        };
        purchase.note_task(house, &task);
        let reserved = task.usage.reserved;
        let known = if tells_its_end(&task) {
            Ok(task)
        } else {
            Err(Bought { purchase, id: task.id, since: Instant::now(), estimated: task.estimated })
        };
        (known, reserved)
    };
    let id = task.as_ref().map_or_else(|bought| bought.id.clone(), |task| task.id.clone());
    generation.note_task(id.clone());
    timing.create = began.elapsed();
    let waiting = Instant::now();
    let task = match task {
        Ok(task) => Ok(task),
        Err(bought) => {
            if generation.audience.is_cancelled() {
                house.canceller.cancel(&id).await;
            }
            end_of(house, generation, bought, callback).await
        }
    };
    generation.note_end(&id);
    timing.wait = waiting.elapsed();
    drop(slot);
    into_image(task?, reserved.unwrap_or(generation.plan().price))
}

/// Whether a create's answer already says all there is to know; an end without links or reason is read once more.
fn tells_its_end(task: &Task) -> bool {
    match task.status {
        TaskStatus::Completed => !task.links.is_empty(),
        TaskStatus::Failed => task.error.as_ref().is_some_and(|error| !error.message.is_empty()),
        status => status.is_terminal(),
    }
}

/// Waits for the task's end; past `task_timeout` the waiters are told, and the wait goes on until `replay` is over.
async fn end_of(
    house: &House,
    generation: &Generation,
    bought: Bought<'_>,
    callback: Option<Expected>,
) -> Result<Task, Fault> {
    let plan = generation.plan();
    let Bought { purchase, id, since, estimated } = bought;
    let watched = Watched {
        id: id.clone(),
        class: plan.class.clone(),
        typical: plan.typical,
        created: since,
        estimated,
        progress: generation.progress.image(purchase.id.image),
        callback,
    };
    let patience = plan.task_timeout.unwrap_or(house.options.task_timeout);
    let ended = house.watcher.ended(watched);
    tokio::pin!(ended);
    let in_time = tokio::time::timeout(patience.saturating_sub(since.elapsed()), &mut ended).await;
    let ended = if let Ok(ended) = in_time {
        ended
    } else {
        tracing::error!(generation_id = %generation.id(), task_id = %id, "a task is past task_timeout; it is still looked at");
        generation.advance(Phase::Overdue);
        let left = house.options.replay.saturating_sub(purchase.age()).max(LAST_LOOKS);
        match tokio::time::timeout(left, ended).await {
            Ok(ended) => ended,
            Err(_) => return Err(never_ended(generation, &id)),
        }
    };
    match ended {
        Some(Ended::Task(task)) => Ok(*task),
        Some(Ended::Gone) => Err(Fault::new(FaultKind::TaskFailed, "The upstream task is no longer known.")
            .with_code("resource_not_found")),
        // The gateway is going down: the next one goes on with the task, and the server answers who waits.
        None => std::future::pending().await,
    }
}

fn never_ended(generation: &Generation, task_id: &TaskId) -> Fault {
    tracing::error!(generation_id = %generation.id(), %task_id, "a task is given up: it has not ended within generation.replay");
    Fault::new(
        FaultKind::TaskTimeout,
        "The upstream task did not end within the time the gateway looks for it.",
    )
}

/// `expected`: what the create reserved, else the table's price; holds when the task itself names none.
fn into_image(task: Task, expected: Credits) -> ImageResult {
    match task.status {
        TaskStatus::Completed => match task.links.into_iter().next() {
            Some(link) => {
                let credits = task.usage.used.or(task.usage.reserved).unwrap_or(expected);
                Ok(MadeImage { task: task.id, link, credits })
            }
            None => Err(Fault::new(
                FaultKind::ResultUnavailable,
                "The picture was made, but upstream gives no link to it. The operator can find it by its task id.",
            )
            .with_cause(format_args!("task {} completed without links", task.id))),
        },
        TaskStatus::Cancelled => Err(failed(&task, "request_cancelled")),
        _ => Err(failed(&task, "unknown_error")),
    }
}

/// Upstream's own error, or where it gives none the code that its status stands for.
fn failed(task: &Task, code: &str) -> Fault {
    let stated = task.error.clone();
    task_fault(&stated.unwrap_or_else(|| TaskError { code: code.to_owned(), message: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolink::TaskUsage;

    #[test]
    fn a_task_that_names_no_price_costs_what_was_expected() {
        let credits = |micro| Some(Credits::from_micro(micro));
        let table = [
            (TaskUsage { used: credits(3), reserved: credits(4) }, 3),
            (TaskUsage { used: None, reserved: credits(4) }, 4),
            (TaskUsage::default(), 5),
        ];
        for (usage, expected) in table {
            let task = Task {
                id: TaskId::new("task-unified-1-abcdefgh"),
                status: TaskStatus::Completed,
                progress: None,
                links: vec!["https://media.test/a.png".to_owned()],
                error: None,
                estimated: None,
                usage,
            };
            assert_eq!(
                into_image(task, Credits::from_micro(5)).unwrap().credits.micro(),
                expected,
                "{usage:?}"
            );
        }
    }
}
