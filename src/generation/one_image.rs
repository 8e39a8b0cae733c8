//! One image of a generation: a place, a create, its task's end, and once more if that failed.

mod told;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::House;
use super::attempts;
use super::create::{Uncreated, create};
use super::doubt;
use super::model::{Generation, ImageResult, Phase, Timing};
use super::purchase::{Left, Purchase};
use super::queue::{Slot, Standing};
use super::uploads::nobody_waits;
use super::watch::{Ended, Expected, Watched};
use crate::evolink::{CreateBody, Task, TaskId, UploadLinks, create_body};
use crate::fault::{Fault, FaultKind};
use crate::money::Credits;
use told::{into_image, tells_its_end};

/// However old a task is, this long it is looked at before it is given up: after a long standstill it has ended.
const LAST_LOOKS: Duration = Duration::from_mins(1);
/// After a start so long a task is looked at before its waiters are told that it takes too long: while the gateway stood
/// still it may have ended, and who is told so buys another.
const FIRST_LOOKS: Duration = Duration::from_secs(10);

/// An image to be had.
pub(super) struct Order {
    pub index: u8,
    pub step: Step,
    /// Where the pictures of the request lie upstream.
    pub links: Result<Arc<UploadLinks>, Fault>,
    /// Its generation was begun by an earlier process.
    pub taken_up: bool,
}

/// Where an image begins.
pub(super) enum Step {
    /// It is to be bought.
    Buy,
    /// It has its place and is written down already.
    Ready(Purchase, Slot),
    /// An earlier process began it.
    Left(Left),
}

/// A task that is known, and what it reserved.
type Made = Option<(TaskId, Option<Credits>)>;

/// A task that was bought and has not ended.
struct Bought<'a> {
    purchase: &'a Purchase,
    id: TaskId,
    /// Since when it runs upstream, as far as is known.
    since: Instant,
    estimated: Option<Duration>,
}

/// Buys the image or goes on with it, and waits for its end; that of a last task, if several are bought.
pub(super) async fn image(
    house: &House,
    generation: &Generation,
    mut order: Order,
    standing: &Standing<'_>,
    timing: &mut Timing,
) -> ImageResult {
    let step = std::mem::replace(&mut order.step, Step::Buy);
    let (mut purchase, mut slot, mut result) =
        if let Step::Left(Left::Ended { purchase, task, result }) = step {
            name_ended(generation, task, &result);
            (purchase, None, result)
        } else {
            let (purchase, made, mut slot) = begun(house, generation, &order, step, standing, timing).await?;
            generation.note_place();
            let result = end(house, generation, &purchase, made, &mut slot, timing).await;
            (purchase, slot, result)
        };
    while let Some(next) =
        attempts::again(house, generation, &order, &purchase, &result, &mut slot, standing).await
    {
        generation.note_place();
        purchase = next;
        result = end(house, generation, &purchase, None, &mut slot, timing).await;
    }
    if let Ok(made) = &result {
        generation.progress.image(order.index).made();
        generation.booking.costs(house, generation, order.index, made.credits);
    }
    result
}

/// One that ended in an earlier process.
fn name_ended(generation: &Generation, task: Option<TaskId>, result: &ImageResult) {
    if let Some(task) = task.or_else(|| result.as_ref().ok().map(|made| made.task.clone())) {
        generation.note_task(task.clone());
        generation.note_end(&task);
    }
}

/// The image's purchase, written down, and its place.
async fn begun(
    house: &House,
    generation: &Generation,
    order: &Order,
    step: Step,
    standing: &Standing<'_>,
    timing: &mut Timing,
) -> Result<(Purchase, Made, Option<Slot>), Fault> {
    let queued = Instant::now();
    Ok(match step {
        // It is under way upstream, whether or not there is a place for it.
        Step::Left(Left::Begun(purchase)) => (purchase, None, Some(house.queue.take_over(standing))),
        Step::Left(Left::Made { purchase, task, reserved }) => {
            (purchase, Some((task, reserved)), Some(house.queue.take_over(standing)))
        }
        Step::Left(Left::Ended { result, .. }) => return Err(result.err().unwrap_or_else(nobody_waits)),
        Step::Ready(purchase, slot) => (purchase, None, Some(slot)),
        Step::Buy => {
            order.links.as_ref().map_err(Fault::clone)?;
            let slot = house.queue.take(standing).await?;
            timing.queue = queued.elapsed();
            // Not before there is a place: ten copies of a long prompt for each generation in the queue would be much.
            let body = body(generation, order)?;
            if !generation.audience.may_buy() {
                slot.unused();
                return Err(nobody_waits());
            }
            (Purchase::begin(house, generation, order.index, 0, body).await?, None, Some(slot))
        }
    })
}

/// What the create of this image sends.
pub(super) fn body(generation: &Generation, order: &Order) -> Result<CreateBody, Fault> {
    let links = order.links.as_ref().map_err(Fault::clone)?;
    create_body(&generation.plan().task, order.index, links).ok_or_else(|| {
        if order.taken_up {
            let message = "The pictures of the request were lost when the gateway was restarted. Send the request again.";
            return Fault::new(FaultKind::Overloaded, message);
        }
        let message = "The gateway made a mistake with the pictures of the request.";
        Fault::new(FaultKind::Internal, message).with_cause("a picture of the task is in none of the inputs")
    })
}

/// [`bought`], written down.
async fn end(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
    made: Made,
    slot: &mut Option<Slot>,
    timing: &mut Timing,
) -> ImageResult {
    let result = bought(house, generation, purchase, made, slot, timing).await;
    purchase.note_end(house, &result);
    result
}

/// From the create to the end of its task. `made`: the task is known already, and what it reserved.
async fn bought(
    house: &House,
    generation: &Generation,
    purchase: &Purchase,
    made: Made,
    slot: &mut Option<Slot>,
    timing: &mut Timing,
) -> ImageResult {
    let began = Instant::now();
    // Before the create is sent: its task may end before the answer is here.
    let callback = purchase.expect_callback(house);
    let (task, reserved) = if let Some((id, reserved)) = made {
        (Err(Bought { purchase, id, since: purchase.begun, estimated: None }), reserved)
    } else {
        let (task, since) = match create(house, generation, purchase).await {
            Ok(task) => (task, Instant::now()),
            Err(Uncreated::NotBought(fault)) => return Err(fault),
            Err(Uncreated::Unknown { refusal }) => {
                (doubt::outlast(house, generation, purchase, slot, refusal).await?, purchase.begun)
            }
        };
        purchase.note_task(house, &task);
        let reserved = task.usage.reserved;
        let known = if tells_its_end(&task) {
            Ok(task)
        } else {
            Err(Bought { purchase, id: task.id, since, estimated: task.estimated })
        };
        (known, reserved)
    };
    if let Some(credits) = reserved {
        generation.booking.costs(house, generation, purchase.id.image, credits);
    }
    let id = task.as_ref().map_or_else(|bought| bought.id.clone(), |task| task.id.clone());
    generation.note_task(id.clone());
    timing.create += began.elapsed();
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
    timing.wait += waiting.elapsed();
    into_image(task?, reserved.unwrap_or(generation.plan().price))
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
    let least = if purchase.taken_up { FIRST_LOOKS } else { Duration::ZERO };
    let left = patience.saturating_sub(since.elapsed()).max(least);
    let in_time = tokio::time::timeout(left, &mut ended).await;
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
