//! One generation from its admission to its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::House;
use super::counts::Kind;
use super::gallery::MadeSoFar;
use super::journal::{Intent, JournalError, Note, Shared};
use super::model::{Finished, Generation, ImageResult, Phase, Timing};
use super::one_image::{Order, Step, image};
use super::pictures::{Asked, Delivered};
use super::purchase::{Purchase, unwritten};
use super::queue::Standing;
use super::uploads::{Lease, Leases};
use crate::evolink::{UploadLinks, create_body};
use crate::fault::{Fault, FaultKind};
use crate::media::InputFile;
use crate::quota::{Demand, Exceeded};

/// Longest wait for earlier ends to be written down before a budget counts as spent.
const ENDS_WAIT_MAX: Duration = Duration::from_secs(2);

/// Where a generation begins.
#[derive(Default)]
pub(super) struct Start {
    /// The images under way, by their index; the others are to be bought.
    pub images: Vec<(u8, Step)>,
    /// The pictures that came along, as far as they lie upstream.
    pub leases: Vec<Lease>,
    /// Those that do not yet.
    pub inputs: Vec<InputFile>,
    /// An earlier process left it so.
    pub taken_up: bool,
}

/// Writes the generation down, and runs it. What cannot be written down never was: nobody is to find it.
pub(super) async fn begin(house: Arc<House>, generation: Arc<Generation>, inputs: Vec<InputFile>) {
    let end = End { house: &house, generation: &generation };
    let standing = Standing::queued(&house.metrics, &generation.booking.limits, &generation.line);
    let written = write_down(&house, &generation, &inputs, &standing).await;
    let images = match written {
        Ok(images) => images,
        Err(fault) => return refuse(&house, &generation, fault),
    };
    generation.admit(Ok(()));
    let ended = run(&house, &generation, &standing, Start { images, inputs, ..Start::default() }).await;
    drop((end, standing));
    keep(&house, &generation, ended).await;
}

/// Into the journal, with the creates that are to be sent at once.
async fn write_down(
    house: &House,
    generation: &Generation,
    inputs: &[InputFile],
    standing: &Standing<'_>,
) -> Result<Vec<(u8, Step)>, Fault> {
    house.queue.foresee(standing, generation.plan().count)?;
    let (images, intents) = ready(house, generation, inputs, standing);
    let (booking, plan) = (&generation.booking, generation.plan());
    let per_usd = booking.micro_credits_per_usd;
    let demands = booking.limits.demands(plan, booking.price, per_usd, house.clock.now());
    let over = admit(house, generation, &demands, intents).await.map_err(|error| {
        if let JournalError::Exceeded(exceeded) = error {
            return booking.refused(house, &demands, exceeded);
        }
        tracing::error!(generation_id = %generation.id(), %error, "a generation is refused: it cannot be written down");
        unwritten().with_cause(error)
    })?;
    booking.held(house, plan, &demands, &over);
    house.counts.request(house.today(), &booking.limits, &plan.class.model, Kind::New);
    Ok(images)
}

/// Takes the holds. A client may know of an end that is not written down yet, and counts on what that gives back: a
/// refusal is believed only once the ends noted before it are written.
async fn admit(
    house: &House,
    generation: &Generation,
    demands: &[Demand],
    intents: Vec<Intent>,
) -> Result<Vec<Exceeded>, JournalError> {
    let admission = generation.to_admission(demands.to_vec());
    if !house.scribe.is_behind() {
        return house.journal.admit(admission, intents).await;
    }
    let refusal = match house.journal.admit(admission.clone(), intents.clone()).await {
        Err(JournalError::Exceeded(exceeded)) if exceeded.held > 0 => JournalError::Exceeded(exceeded),
        outcome => return outcome,
    };
    match timeout(ENDS_WAIT_MAX, house.scribe.written()).await {
        Ok(()) => house.journal.admit(admission, intents).await,
        Err(_) => Err(refusal),
    }
}

fn refuse(house: &House, generation: &Arc<Generation>, fault: Fault) {
    generation.booking.give_back(house);
    generation.admit(Err(fault.clone()));
    let finished =
        Finished { created: house.clock.unix(), images: vec![Err(fault)], timing: Timing::default() };
    generation.advance(Phase::Finished(Arc::new(finished)));
    house.registry.lock().unwrap_or_else(PoisonError::into_inner).refuse(generation);
}

/// Goes on where an earlier process ended.
pub(super) async fn resume(house: Arc<House>, generation: Arc<Generation>, start: Start) {
    let end = End { house: &house, generation: &generation };
    let standing = Standing::queued(&house.metrics, &generation.booking.limits, &generation.line);
    let ended = run(&house, &generation, &standing, start).await;
    drop(standing);
    drop(end);
    keep(&house, &generation, ended).await;
}

/// The end, with its pictures if they were fetched.
type Kept = (Arc<Finished>, Option<Arc<Delivered>>);

/// Stores the pictures. Whoever waited for them has them already.
async fn keep(house: &House, generation: &Generation, (finished, delivered): Kept) {
    if let Some(delivered) = delivered {
        house.gallery.keep(&generation.pictures, &finished, &delivered).await;
    }
    generation.pictures.note_tried();
}

/// The images that need not wait for anything: their creates are written down together with the generation, which
/// saves them a write of their own.
fn ready(
    house: &House,
    generation: &Generation,
    inputs: &[InputFile],
    standing: &Standing<'_>,
) -> (Vec<(u8, Step)>, Vec<Intent>) {
    let (mut images, mut intents) = (Vec::new(), Vec::new());
    if !inputs.is_empty() {
        return (images, intents);
    }
    for index in 0..generation.plan().count {
        let Some(body) = create_body(&generation.plan().task, index, &UploadLinks::new()) else { break };
        let Some(slot) = house.queue.take_free(standing) else { break };
        if !generation.audience.may_buy() {
            slot.unused();
            break;
        }
        let purchase = Purchase::new(house, generation, index, 0, body);
        intents.push(purchase.to_intent());
        images.push((index, Step::Ready(purchase, slot)));
    }
    (images, intents)
}

/// Its pictures uploaded, then one task upstream for each image, side by side.
async fn run(house: &House, generation: &Arc<Generation>, standing: &Standing<'_>, start: Start) -> Kept {
    let began = Instant::now();
    let Start { images: mut under_way, leases, inputs, taken_up } = start;
    let leases = house.uploads.lease_all(&generation.audience, inputs).await.map(|new| {
        note_uploads(house, generation, &new);
        new.with(leases)
    });
    let queued = leases.as_ref().map_or(Duration::ZERO, Leases::queued);
    let uploaded = began.elapsed().saturating_sub(queued);
    let links = leases.as_ref().map(|leases| Arc::new(leases.links())).map_err(Fault::clone);
    let made = MadeSoFar::default();
    let images = (0..generation.plan().count).map(|index| {
        let made = &made;
        let step = match under_way.iter().position(|(image, _)| *image == index) {
            Some(at) => under_way.swap_remove(at).1,
            None => Step::Buy,
        };
        let order = Order { index, step, links: links.clone(), taken_up };
        async move {
            let mut timing = Timing::default();
            let result = image(house, generation, order, standing, &mut timing).await;
            made.note(index, &result);
            (result, timing)
        }
    });
    let images = house.gallery.beside(&generation.pictures, &made, join_all(images)).await;
    let (images, timings): (Vec<ImageResult>, Vec<Timing>) = images.into_iter().unzip();
    let longest = timings.into_iter().max_by_key(|timing| timing.queue + timing.create + timing.wait);
    let mut timing = longest.unwrap_or_default();
    timing.queue += queued;
    timing.create += uploaded;
    let finished = Finished { created: house.clock.unix(), images, timing };
    let shared = house.to_share(generation, &finished);
    note_end(house, generation, &finished, shared.clone());
    if nothing_was_bought(generation, &finished) {
        generation.booking.give_back(house);
    }
    // Every task has ended: none reads them any more.
    drop(leases);
    report(house, generation, &finished, generation.age());
    let mut delivered = None;
    if finished.failure().is_none() {
        generation.progress.complete();
        if generation.audience.is_awaited() || house.gallery.stores() {
            delivered = Some(generation.pictures.fetch(house, &finished, Asked::First).await);
        }
    }
    let finished = Arc::new(finished);
    house.end(generation, Arc::clone(&finished), shared);
    (finished, delivered)
}

/// All of it was refused here or by an upstream that takes nothing; what its client did wrong or gave up is another
/// matter.
fn nothing_was_bought(generation: &Generation, finished: &Finished) -> bool {
    use FaultKind::{NoSlot, Overloaded, UpstreamAccount, UpstreamUnavailable};
    let refused =
        |fault: &Fault| matches!(fault.kind(), NoSlot | Overloaded | UpstreamAccount | UpstreamUnavailable);
    !generation.audience.is_given_up()
        && generation.task_ids().is_empty()
        && finished.images.iter().all(|image| image.as_ref().is_err_and(refused))
}

fn note_uploads(house: &House, generation: &Generation, leases: &Leases) {
    for upload in leases.stored(house.clock.unix_ms()) {
        house.scribe.note(Note::Uploaded { generation: generation.id().clone(), upload });
    }
}

fn note_end(house: &House, generation: &Generation, finished: &Finished, shared: Option<Shared>) {
    let id = generation.id().clone();
    house.scribe.note(if generation.audience.is_given_up() {
        Note::Dropped { generation: id }
    } else {
        Note::Finished {
            generation: id,
            created: finished.created,
            ended_ms: house.clock.unix_ms(),
            images: finished.images.clone(),
            settlement: Box::new(generation.booking.settlement(house, generation, finished)),
            shared,
        }
    });
}

/// The end of the background task, whatever its cause: nobody waits on for one that panicked. The journal is not told:
/// what was bought is taken up by the next start.
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
            generation.admit(Err(fault.clone()));
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
