//! Buying an image again when its task failed at upstream's end: the failed one is refunded, the next has a key of its
//! own.

use std::time::Duration;

use rand::RngExt as _;

use super::House;
use super::model::{Generation, ImageResult, Phase};
use super::one_image::{Order, body};
use super::purchase::Purchase;
use super::slots::{Slot, Standing};
use crate::evolink::{retryable, without_callback};
use crate::fault::FaultKind;

/// The pause before the second task; doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The next purchase of an image whose last one ended so, written down; none when that result stands. The pause is
/// spent in the image's place; one that has none (it was in doubt, or there was none after a restart) takes one.
pub(super) async fn again(
    house: &House,
    generation: &Generation,
    order: &Order,
    last: &Purchase,
    result: &ImageResult,
    slot: &mut Option<Slot>,
    standing: &Standing<'_>,
) -> Option<Purchase> {
    let fault = result.as_ref().err()?;
    let attempt = last.id.attempt.saturating_add(1);
    let failed_upstream = fault.kind() == FaultKind::TaskFailed && retryable(fault.code());
    let pause = pause(last.id.attempt);
    if !failed_upstream || attempt >= house.options.attempts || !in_time(house, generation, pause) {
        return None;
    }
    tokio::time::sleep(pause).await;
    if slot.is_none() {
        *slot = house.slots.take(standing).await.ok();
    }
    if slot.is_none() || !in_time(house, generation, Duration::ZERO) {
        return None;
    }
    // After a restart the bytes are gone with the create's answer, but can be made again.
    let body =
        if last.body.is_empty() { body(generation, order).ok()? } else { without_callback(&last.body) };
    if !generation.audience.may_buy() {
        return None;
    }
    let next = Purchase::begin(house, generation, order.index, attempt, body).await.ok()?;
    let generation_id = generation.id();
    tracing::info!(%generation_id, image = order.index, attempt, code = fault.code(), "a failed task is bought again");
    Some(next)
}

/// Nobody was told of an end yet, and it is not too late for another.
fn in_time(house: &House, generation: &Generation, pause: Duration) -> bool {
    let open = matches!(generation.phase(), Phase::Running | Phase::InDoubt { .. });
    open && generation.age() + pause < house.options.retry_within
}

fn pause(attempts: u32) -> Duration {
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(attempts)).min(PAUSE_MAX);
    pause.mul_f64(rand::rng().random_range(0.75..1.0))
}
