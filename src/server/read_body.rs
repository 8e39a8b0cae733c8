//! Reads a JSON request's body into memory, within named bounds.
//!
//! Knows nothing of what the JSON means. What a form's reader needs as well is here, too: [`Incoming`], the pieces of a
//! body within its limits, and [`Share`], what of the budget is taken for them. Bodies held by all requests together are bounded by one [`BodyBudget`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::fault::{Fault, FaultKind};

/// Grain of the budget; a semaphore counts to 2^29 at least on 32-bit machines, so bytes would not do.
const GRAIN: u64 = 1024;
/// What is set aside before the first byte came; more only as the client really sends.
const FIRST_CAPACITY: u64 = 64 * 1024;

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    pub bytes_max: u64,
    /// From the first read to the last.
    pub time_max: Duration,
    /// Longest pause between two pieces.
    pub idle_max: Duration,
}

impl BodyLimits {
    /// `bytes_max` with the usual patience: 60 s in all, 30 s for a pause.
    pub const fn new(bytes_max: u64) -> Self {
        Self { bytes_max, time_max: Duration::from_mins(1), idle_max: Duration::from_secs(30) }
    }
}

/// Bytes of request bodies that may be held at once, all requests together (`server.max_buffered`).
#[derive(Debug, Clone)]
pub struct BodyBudget(Arc<Semaphore>);

impl BodyBudget {
    pub fn new(bytes: u64) -> Self {
        let grains = usize::try_from(bytes.div_ceil(GRAIN)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(grains)))
    }

    fn has_room_for(&self, bytes: u64) -> bool {
        usize::try_from(bytes.div_ceil(GRAIN)).is_ok_and(|grains| grains <= self.0.available_permits())
    }

    /// A share of nothing yet.
    pub(super) fn share(&self) -> Result<Share, Fault> {
        Ok(Share { budget: self.clone(), permit: self.take(0)? })
    }

    fn take(&self, grains: u64) -> Result<OwnedSemaphorePermit, Fault> {
        let grains = u32::try_from(grains).map_err(|_| full())?;
        Arc::clone(&self.0).try_acquire_many_owned(grains).map_err(|_| full())
    }
}

/// What of a [`BodyBudget`] one holder of bytes has taken; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: BodyBudget,
    permit: OwnedSemaphorePermit,
}

impl Share {
    /// Makes the share large enough for `bytes` in all.
    ///
    /// It is taken for bytes that came, not for bytes announced: who announces much and sends little would otherwise
    /// shut everybody out.
    pub(super) fn cover(&mut self, bytes: u64) -> Result<(), Fault> {
        let grains = bytes.div_ceil(GRAIN);
        let taken = u64::try_from(self.permit.num_permits()).unwrap_or(u64::MAX);
        if grains > taken {
            self.permit.merge(self.budget.take(grains.saturating_sub(taken))?);
        }
        Ok(())
    }
}

/// A body's pieces as they come, within limits.
pub(super) struct Incoming {
    body: Body,
    bytes_max: u64,
    read: u64,
    deadline: Instant,
    idle_max: Duration,
    /// What a body that breaks off is to the client.
    broken: FaultKind,
}

impl Incoming {
    /// 413 when the body tells a length over the limit.
    pub(super) fn new(body: Body, limits: &BodyLimits, broken: FaultKind) -> Result<Self, Fault> {
        let BodyLimits { bytes_max, time_max, idle_max } = *limits;
        if body.size_hint().lower() > bytes_max {
            return Err(too_large(bytes_max));
        }
        Ok(Self { body, bytes_max, read: 0, deadline: Instant::now() + time_max, idle_max, broken })
    }

    /// The next piece; none at the end. 413 over the limit, 408 for a slow client, 400 for a body that breaks off.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            // What is there already needs no timer.
            let frame = match self.body.frame().now_or_never() {
                Some(frame) => frame,
                None => self.awaited().await?,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|cause| broken(self.broken).with_cause(cause))?;
            let Ok(piece) = frame.into_data() else { continue };
            self.read = self.read.saturating_add(length_of(&piece));
            if self.read > self.bytes_max {
                return Err(too_large(self.bytes_max));
            }
            return Ok(Some(piece));
        }
    }

    async fn awaited(&mut self) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, Fault> {
        let patience = self.idle_max.min(self.deadline.saturating_duration_since(Instant::now()));
        timeout(patience, self.body.frame()).await.map_err(|_| too_slow())
    }
}

/// Reads the body of a JSON request.
///
/// The bytes carry their share of `budget` and give it back when the last clone or slice is dropped.
///
/// Fails with 415 for another media type or a compressed body, 413 over `limits.bytes_max` (told by Content-Length
/// already, or while reading), 408 for a slow client, 503 when `budget` is used up, 400 for a body that breaks off.
pub async fn read_json_body(
    headers: &HeaderMap,
    body: Body,
    limits: &BodyLimits,
    budget: &BodyBudget,
) -> Result<Bytes, Fault> {
    require_json(headers)?;
    let told = body.size_hint().lower();
    let mut incoming = Incoming::new(body, limits, FaultKind::InvalidJson)?;
    if !budget.has_room_for(told) {
        return Err(full());
    }
    let mut held = Held::new(told, budget)?;
    while let Some(piece) = incoming.next().await? {
        held.push(&piece)?;
    }
    Ok(Bytes::from_owner(held))
}

/// Bytes read so far and the share of the budget that they take.
struct Held {
    bytes: Vec<u8>,
    told: u64,
    share: Share,
}

impl Held {
    fn new(told: u64, budget: &BodyBudget) -> Result<Self, Fault> {
        let capacity = usize::try_from(told.min(FIRST_CAPACITY)).unwrap_or(0);
        Ok(Self { bytes: Vec::with_capacity(capacity), told, share: budget.share()? })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let length = length_of(&self.bytes);
        self.share.cover(length.saturating_add(length_of(piece)))?;
        if self.bytes.len() + piece.len() > self.bytes.capacity() {
            // A told length is reserved at once, so that the last doubling does not hold twice what is counted.
            let rest = usize::try_from(self.told.saturating_sub(length)).unwrap_or(0);
            self.bytes.reserve(piece.len().max(rest));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(super) fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn require_json(headers: &HeaderMap) -> Result<(), Fault> {
    refuse_compressed(headers)?;
    match essence(headers).as_deref() {
        Some("application/json") => Ok(()),
        Some(other) if other.starts_with("application/") && other.ends_with("+json") => Ok(()),
        _ => Err(unsupported("This endpoint reads JSON. Send `Content-Type: application/json`.")),
    }
}

/// 415 for a body that would have to be unpacked.
pub(super) fn refuse_compressed(headers: &HeaderMap) -> Result<(), Fault> {
    let encoded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(unsupported(
            "Compressed request bodies are not supported. Send the body without `Content-Encoding`.",
        ));
    }
    Ok(())
}

/// The body's media type in lower case, without parameters.
pub(super) fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

pub(super) fn unsupported(message: &'static str) -> Fault {
    Fault::new(FaultKind::UnsupportedMediaType, message)
}

fn too_large(bytes_max: u64) -> Fault {
    let message = format!("The request body is larger than {bytes_max} bytes.");
    Fault::new(FaultKind::TooLarge, message)
}

fn too_slow() -> Fault {
    Fault::new(FaultKind::RequestTimeout, "The request body did not arrive in time.")
}

fn broken(kind: FaultKind) -> Fault {
    Fault::new(kind, "The request body could not be read to its end.")
}

fn full() -> Fault {
    Fault::new(
        FaultKind::Overloaded,
        "The server holds too many request bodies at the moment. Try again shortly.",
    )
}

#[cfg(test)]
mod tests;
