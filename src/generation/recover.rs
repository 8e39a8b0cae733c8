//! Taking up at the start what an earlier process left: nothing is bought twice, nothing paid is lost.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::House;
use super::audience::Audience;
use super::booking::Booking;
use super::journal::{Admission, Journal, JournalError, Note, Past, Unfinished, Wanted};
use super::model::{Finished, Generation, GenerationId, Phase, Timing};
use super::one_image::Step;
use super::purchase::{Left, in_patience, keep_given_up, leave_open};
use super::reuse::IdempotencyKey;
use super::run::{self, Start};
use crate::clock::Clock;
use crate::image::Plan;
use crate::media::StoredPicture;
use crate::money::Credits;
use crate::quota::{Prices, Unit};

/// Generations read at once; those under way carry the bodies of their creates.
const PAGE: usize = 64;
/// Files that are deleted upstream at a start; more of them expire by themselves.
const IDLE_FILES_MAX: usize = 2_000;
/// Generations removed by one write of the sweep.
const SWEEP_PAGE: usize = 256;
/// Between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// What became of the generations in the journal.
#[derive(Debug, Default)]
struct Counts {
    ended: usize,
    taken_up: usize,
    left: usize,
    dropped: Vec<GenerationId>,
}

/// Reads the journal, and goes on with everything that may have been bought.
///
/// # Errors
/// The journal cannot be read: the gateway must not start, it would buy again what is bought.
pub(super) async fn recover(house: &Arc<House>) -> Result<(), JournalError> {
    house.claims.set_reading(true);
    house.cache.note_behind(house.journal.results_until().await?);
    let mut counts = Counts { ended: restore_ended(house).await?, ..Counts::default() };
    let mut after = 0;
    loop {
        let page = house.journal.unfinished(after, PAGE).await?;
        for record in page.records {
            take_up(house, record, &mut counts);
        }
        let Some(next) = page.next else { break };
        after = next;
    }
    house.claims.set_reading(false);
    house.registry.lock().unwrap_or_else(PoisonError::into_inner).sort();
    for ids in counts.dropped.chunks(PAGE) {
        let notes: Arc<[Note]> = ids.iter().cloned().map(|generation| Note::Dropped { generation }).collect();
        house.journal.note(notes).await?;
    }
    house.uploads.delete_all(house.journal.idle_files(IDLE_FILES_MAX).await?);
    if counts.left > 0 {
        tracing::error!(
            generations = counts.left,
            "too many unfinished generations: these are left in the journal for the next start"
        );
    }
    let Counts { ended, taken_up, dropped, .. } = counts;
    if ended + taken_up + dropped.len() > 0 {
        tracing::info!(
            ended,
            taken_up,
            dropped = dropped.len(),
            "the generations of earlier runs were taken up"
        );
    }
    Ok(())
}

/// The latest of those that still answer: whoever asks again within their time gets what was paid for.
async fn restore_ended(house: &House) -> Result<usize, JournalError> {
    let mut latest = Vec::new();
    let count = read_ended(house, &mut latest).await?;
    // They came latest first.
    for (plan, credits, age) in latest.into_iter().rev() {
        house.quota.prices.settled(&plan, credits, age);
    }
    Ok(count)
}

/// `latest`: what images were settled with that may still tell what the next ones cost, and how long ago.
async fn read_ended(
    house: &House,
    latest: &mut Vec<(Arc<Plan>, Credits, Duration)>,
) -> Result<usize, JournalError> {
    let since_ms = still_answering_since(house);
    let (mut before, mut count) = (None, 0);
    loop {
        let page = house.journal.ended(since_ms, before, PAGE).await?;
        for past in page.records {
            let (audience, ended_ms) = (Audience::restored(past.promised, true), past.ended_ms);
            let plan = Arc::clone(&past.admission.plan);
            let Ended { generation, finished, age, names } = ended(house, past, audience);
            keep_given_up(house, &generation, &finished, ended_ms);
            if age <= Prices::RECENT {
                let made = finished.images.iter().flatten();
                latest.extend(made.map(|image| (Arc::clone(&plan), image.credits, age)));
            }
            house.gallery.catch_up(&generation.pictures, &finished, age);
            let mut registry = house.registry.lock().unwrap_or_else(PoisonError::into_inner);
            if !registry.restore_ended(&generation, age, names) {
                return Ok(count);
            }
            count += 1;
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(count),
        }
    }
}

/// Counted against the limits that hold now; its holds are those that it had.
fn kept(
    house: &House,
    admission: Admission,
    age: Duration,
    audience: Audience,
    holds: &[(Unit, u64)],
) -> Generation {
    let limits = house.quota.limits(&admission.owner.team, &admission.key_name);
    let per_usd = house.quota.micro_credits_per_usd();
    let booking = Booking::new(limits, admission.plan.price, per_usd).holds(holds, per_usd);
    Generation::kept(admission, age, audience).booked(booking)
}

fn note_stored(generation: &Generation, pictures: Vec<(u8, StoredPicture)>) {
    for (image, picture) in pictures {
        generation.pictures.note_stored(image, picture);
    }
}

/// Takes back from the journal what was forgotten for room. It counts as delivered: of what was not, only a start with
/// more ends than there is room for forgets any.
///
/// # Errors
/// The journal cannot be read.
pub(super) async fn recall(house: &House, wanted: Wanted) -> Result<(), JournalError> {
    for past in in_patience(house.journal.recall(wanted, still_answering_since(house))).await? {
        let audience = Audience::recalled(past.promised);
        let Ended { generation, age, names, .. } = ended(house, past, audience);
        house.registry.lock().unwrap_or_else(PoisonError::into_inner).recall(generation, age, names);
    }
    Ok(())
}

fn still_answering_since(house: &House) -> i64 {
    let replay = i64::try_from(house.options.replay.as_millis()).unwrap_or(i64::MAX);
    house.clock.unix_ms().saturating_sub(replay)
}

/// A generation that ended before.
pub(super) struct Ended {
    pub generation: Arc<Generation>,
    finished: Arc<Finished>,
    /// Since its end.
    age: Duration,
    names: Vec<IdempotencyKey>,
}

pub(super) fn ended(house: &House, past: Past, audience: Audience) -> Ended {
    let Past { admission, created, ended_ms, images, pictures, idempotency_keys: names, .. } = past;
    let age = house.clock.since_ms(admission.created_ms);
    let generation = Arc::new(kept(house, admission, age, audience, &[]));
    images.iter().flatten().for_each(|image| {
        generation.note_task(image.task.clone());
        generation.note_end(&image.task);
    });
    let finished = Finished { created, images, timing: Timing::default() };
    if finished.failure().is_none() {
        generation.progress.complete();
    }
    note_stored(&generation, pictures);
    generation.pictures.note_tried();
    let finished = Arc::new(finished);
    generation.advance(Phase::Finished(Arc::clone(&finished)));
    Ended { generation, finished, age: house.clock.since_ms(ended_ms), names }
}

fn take_up(house: &Arc<House>, record: Unfinished, counts: &mut Counts) {
    let Unfinished { admission, promised, withdrawn, holds, purchases, uploads, pictures } = record;
    let (id, begun) = (admission.id.clone(), !purchases.is_empty());
    if !begun && (!promised || withdrawn) {
        counts.dropped.push(id);
        return;
    }
    let age = house.clock.since_ms(admission.created_ms);
    let audience = Audience::restored(promised, begun);
    let generation = Arc::new(kept(house, admission, age, audience, &holds));
    note_stored(&generation, pictures);
    {
        let mut registry = house.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if registry.add(&generation).is_err() {
            for purchase in &purchases {
                leave_open(house, &generation, purchase);
            }
            counts.left += 1;
            return;
        }
        if withdrawn {
            registry.withdraw(&generation.owner().team, id.as_str());
        }
    }
    let mut images: Vec<(u8, Step)> = Vec::with_capacity(purchases.len());
    for purchase in purchases {
        let (image, age) = (purchase.image, house.clock.since_ms(purchase.begun_ms));
        let left = Left::of(house, &generation, purchase, age);
        // Of several attempts the last one counts; the others have ended.
        if let Some(at) = images.iter().position(|(other, _)| *other == image) {
            name_ended(&generation, &images.swap_remove(at).1);
        }
        images.push((image, Step::Left(left)));
    }
    tracing::info!(
        generation_id = %id,
        team = %generation.owner().team,
        seconds = age.as_secs(),
        begun = images.len(),
        "a generation is taken up again"
    );
    house.metrics.recovered();
    let now_ms = house.clock.unix_ms();
    let leases = uploads.into_iter().map(|upload| house.uploads.restore(upload, now_ms)).collect();
    let start = Start { images, leases, taken_up: true, ..Start::default() };
    house.tasks.spawn(run::resume(Arc::clone(house), generation, start));
    counts.taken_up += 1;
}

fn name_ended(generation: &Generation, step: &Step) {
    if let Step::Left(Left::Ended { task: Some(task), .. } | Left::Made { task, .. }) = step {
        generation.note_task(task.clone());
        generation.note_end(task);
    }
}

/// Removes what no longer answers anybody, for ever; owned by the caller.
pub(super) async fn sweep(journal: Arc<dyn Journal>, replay: Duration, clock: Clock) {
    let replay = i64::try_from(replay.as_millis()).unwrap_or(i64::MAX);
    let mut failing = false;
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let now_ms = clock.unix_ms();
        loop {
            match journal.sweep(now_ms.saturating_sub(replay), now_ms, SWEEP_PAGE).await {
                Ok(gone) if gone >= SWEEP_PAGE => {}
                Ok(_) => {
                    failing = false;
                    break;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "the journal cannot be swept; it is tried again every minute");
                    }
                    failing = true;
                    break;
                }
            }
        }
    }
}
