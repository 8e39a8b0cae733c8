//! One generation from its first place in the queue to its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::House;
use super::create::create;
use super::model::{Finished, Generation, ImageResult, MadeImage, Phase, Timing};
use super::slots::Standing;
use super::uploads::{Leases, nobody_waits};
use super::watch::{Ended, ImageProgress, Watched};
use crate::evolink::{CreateBody, Task, TaskError, TaskStatus, UploadLinks, create_body, task_fault};
use crate::fault::{Fault, FaultKind};
use crate::media::InputFile;
use crate::money::Credits;

/// How long past its time-out a task is still looked at: as long as Evolink's links live, since a picture found later
/// could no longer be fetched. An upstream that never ends a task would else keep its place for ever.
const OVERDUE_MAX: Duration = Duration::from_hours(24);

/// Runs the generation: its pictures uploaded, then one task upstream for each image, side by side.
pub(super) async fn run(house: Arc<House>, generation: Arc<Generation>, inputs: Vec<InputFile>) {
    let end = End { house: &house, generation: &generation };
    let began = Instant::now();
    let standing = Standing::queued(&house.metrics);
    let leases = house.uploads.lease_all(&generation.audience, inputs).await;
    let queued = leases.as_ref().map_or(Duration::ZERO, Leases::queued);
    let uploaded = began.elapsed().saturating_sub(queued);
    let links = leases.as_ref().map(Leases::links).map_err(Fault::clone);
    let images = (0..generation.plan().count).map(async |index| {
        let mut timing = Timing::default();
        let result = match &links {
            Ok(links) => image(&house, &generation, index, links, &standing, &mut timing).await,
            Err(fault) => Err(fault.clone()),
        };
        (result, timing)
    });
    let (images, timings): (Vec<ImageResult>, Vec<Timing>) = join_all(images).await.into_iter().unzip();
    // Every task has ended: none reads them any more.
    drop(leases);
    let longest = timings.into_iter().max_by_key(|timing| timing.queue + timing.create + timing.wait);
    let mut timing = longest.unwrap_or_default();
    timing.queue += queued;
    timing.create += uploaded;
    let finished = Finished { created: house.clock.unix(), images, timing };
    report(&house, &generation, &finished, began.elapsed());
    if finished.failure().is_none() {
        generation.progress.complete();
        if generation.audience.is_awaited() {
            generation.pictures.fetch(&house, &finished).await;
        }
    }
    generation.advance(Phase::Finished(Arc::new(finished)));
    drop(end);
}

/// What the create of this image sends.
fn body(generation: &Generation, index: u8, links: &UploadLinks) -> Result<CreateBody, Fault> {
    create_body(&generation.plan().task, index, links).ok_or_else(|| {
        let message = "The gateway made a mistake with the pictures of the request.";
        Fault::new(FaultKind::Internal, message).with_cause("a picture of the task is in none of the inputs")
    })
}

/// The end of the background task, whatever its cause: nobody waits on for one that panicked.
struct End<'a> {
    house: &'a House,
    generation: &'a Arc<Generation>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let Self { house, generation } = self;
        if !matches!(generation.phase(), Phase::Finished(_)) {
            let fault =
                Fault::new(FaultKind::Internal, "The gateway made a mistake while the image was made.");
            let images = vec![Err(fault)];
            let finished = Finished { created: house.clock.unix(), images, timing: Timing::default() };
            generation.advance(Phase::Finished(Arc::new(finished)));
        }
        if !generation.audience.is_awaited() {
            generation.pictures.let_go();
        }
        house.registry.lock().unwrap_or_else(PoisonError::into_inner).ended(generation);
    }
}

/// One image: a place, a task, its end.
async fn image(
    house: &House,
    generation: &Generation,
    index: u8,
    links: &UploadLinks,
    standing: &Standing<'_>,
    timing: &mut Timing,
) -> ImageResult {
    let mut step = Instant::now();
    let mut lap = || {
        let now = Instant::now();
        now - std::mem::replace(&mut step, now)
    };
    let slot = house.slots.take(standing).await?;
    timing.queue = lap();
    // Not before there is a place: ten copies of a long prompt for each generation in the queue would be much.
    let body = body(generation, index, links)?;
    if !generation.audience.may_buy() {
        return Err(nobody_waits());
    }
    generation.note_place();
    let task = create(house, generation, body).await?;
    let id = task.id.clone();
    generation.note_task(id.clone());
    timing.create = lap();
    if generation.audience.is_cancelled() && !task.status.is_terminal() {
        house.canceller.cancel(&id).await;
    }
    let expected = task.usage.reserved.unwrap_or(generation.plan().price);
    let progress = generation.progress.image(index);
    let task = end_of(house, generation, task, progress).await;
    generation.note_end(&id);
    timing.wait = lap();
    drop(slot);
    let made = into_image(task?, expected)?;
    generation.progress.image(index).made();
    Ok(made)
}

/// Whether a create's answer already says all there is to know; an end without links or reason is read once more.
fn tells_its_end(task: &Task) -> bool {
    match task.status {
        TaskStatus::Completed => !task.links.is_empty(),
        TaskStatus::Failed => task.error.as_ref().is_some_and(|error| !error.message.is_empty()),
        status => status.is_terminal(),
    }
}

/// Waits for the task's end; past `task_timeout` the waiters are told, and the wait goes on.
async fn end_of(
    house: &House,
    generation: &Generation,
    task: Task,
    progress: ImageProgress,
) -> Result<Task, Fault> {
    if tells_its_end(&task) {
        return Ok(task);
    }
    let plan = generation.plan();
    let watched = Watched {
        id: task.id,
        class: plan.class.clone(),
        typical: plan.typical,
        created: Instant::now(),
        estimated: task.estimated,
        progress,
    };
    let id = watched.id.clone();
    let ended = house.watcher.ended(watched);
    tokio::pin!(ended);
    let ended = if let Ok(ended) =
        tokio::time::timeout(plan.task_timeout.unwrap_or(house.options.task_timeout), &mut ended).await
    {
        ended
    } else {
        tracing::error!(generation_id = %generation.id(), task_id = %id, "a task is past task_timeout; it is still looked at");
        generation.advance(Phase::Overdue);
        match tokio::time::timeout(OVERDUE_MAX, ended).await {
            Ok(ended) => ended,
            Err(_) => return Err(never_ended()),
        }
    };
    match ended {
        Some(Ended::Task(task)) => Ok(*task),
        Some(Ended::Gone) => Err(Fault::new(FaultKind::TaskFailed, "The upstream task is no longer known.")
            .with_code("resource_not_found")),
        None => Err(Fault::new(FaultKind::Overloaded, "The gateway is going down; send the request again.")),
    }
}

fn never_ended() -> Fault {
    Fault::new(FaultKind::TaskTimeout, "The upstream task did not end within a day.")
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

fn report(house: &House, generation: &Generation, finished: &Finished, took: Duration) {
    let outcome = match finished.failure() {
        Some(_) if generation.audience.is_given_up() => "abandoned",
        Some(fault) => fault.kind().label(),
        None => "completed",
    };
    let made = finished.images.iter().flatten().fold(0_u64, |made, _| made + 1);
    let credits = finished.credits();
    let (plan, owner) = (generation.plan(), generation.owner());
    let (model, quality) = (plan.class.model.as_str(), plan.class.quality.name());
    house.metrics.generation(&owner.team, model, quality, outcome, took.as_secs_f64());
    house.metrics.images(&owner.team, model, made, credits);
    tracing::info!(
        generation_id = %generation.id(),
        team = %owner.team,
        model,
        outcome,
        images = made,
        credits = %credits,
        seconds = took.as_secs_f64(),
        "a generation ended"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolink::{TaskId, TaskUsage};

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
