//! Who asks, and goes on asking.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::super::super::*;
use super::super::fake::{plan, soon, wish};
use crate::fault::{Fault, FaultKind};
use crate::image::Plan;

/// One wish: asked again, as an SDK does, until there is an answer.
pub(super) struct Client {
    pub plan: Arc<Plan>,
    /// With a key of its own, or as an SDK repeats without one.
    reuse: Reuse,
    /// The id it was told, or would have been: a crash between the promise and its telling leaves a client that knows
    /// nothing of it, which nobody can help.
    promised: Mutex<Option<String>>,
    told: AtomicBool,
    /// How often it joined what was there already.
    pub joined: AtomicUsize,
    /// The pictures, or the final failure.
    pub answer: Mutex<Option<Result<Vec<Bytes>, Fault>>>,
}

impl Client {
    pub(super) fn new(number: u64, random: &mut StdRng) -> Arc<Self> {
        let plan = plan(&format!("wish {number}"), random.random_range(1..=3), &[]);
        let idempotency_key = random.random_bool(0.3).then(|| IdempotencyKey::kept(&format!("key {number}")));
        let sharing = if random.random_bool(0.5) { Sharing::Own } else { Sharing::default() };
        let reuse = Reuse { sharing, only_if_cached: false, automatic_retry: true, idempotency_key };
        let (promised, answer) = (Mutex::default(), Mutex::default());
        let (told, joined) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { plan, reuse, promised, told, joined, answer })
    }

    /// A failure, or some pictures of several, is not for ever: it may have been told while the disk was full and lost
    /// with its house, and the next one goes on. So it is asked again there.
    pub(super) fn is_answered(&self, in_this_life: bool) -> bool {
        match &*self.answer.lock().unwrap() {
            None => false,
            Some(Ok(pictures)) => in_this_life || pictures.len() == usize::from(self.plan.count),
            Some(Err(_)) => in_this_life,
        }
    }

    pub(super) async fn ask(
        self: Arc<Self>,
        generations: Generations,
        quota: Arc<Quota>,
        start: Duration,
        promise: bool,
    ) {
        tokio::time::sleep(start).await;
        self.answer.lock().unwrap().take();
        while !self.is_answered(true) {
            let id = self.promised.lock().unwrap().clone();
            let found = id.and_then(|id| generations.find("design", &id));
            let waiter = if let Some(found) = found {
                found
            } else {
                assert!(!self.told.load(Ordering::Relaxed), "a promise is kept");
                let limits = quota.limits(&"design".into(), "ci");
                let price = quota.check(&limits, &self.plan).unwrap();
                let wish = wish(&self.plan, self.reuse.clone());
                let begun = generations.begin(Wish { limits, price, ..wish });
                let Ok(waiter) = begun.await else {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                };
                self.joined.fetch_add(usize::from(waiter.joined()), Ordering::Relaxed);
                if promise {
                    self.take_promise(waiter).await;
                    continue;
                }
                waiter
            };
            self.wait(waiter).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn take_promise(&self, waiter: Waiter) {
        *self.promised.lock().unwrap() = Some(waiter.generation().id().to_string());
        if waiter.promise(()).await.is_ok() {
            self.told.store(true, Ordering::Relaxed);
        } else {
            *self.promised.lock().unwrap() = None;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn wait(&self, mut waiter: Waiter) {
        let answer = match waiter.finished(soon()).await {
            Ok(finished) => match self.pictures(&waiter, &finished).await {
                Some(pictures) => Ok(pictures),
                None => return,
            },
            Err(fault) if fault.kind() == FaultKind::OutcomeUnknown => return,
            // Who was told no id sends the request again.
            Err(fault) if fault.should_retry() && !self.told.load(Ordering::Relaxed) => {
                *self.promised.lock().unwrap() = None;
                return;
            }
            Err(fault) => Err(fault),
        };
        *self.answer.lock().unwrap() = Some(answer);
        waiter.answered();
    }

    /// Of all images that were made, or none: what could not be fetched is asked for again.
    async fn pictures(&self, waiter: &Waiter, finished: &Finished) -> Option<Vec<Bytes>> {
        let delivered = waiter.pictures(finished).await.ok()?;
        let made = finished.images.iter().zip(&delivered.images).filter(|(made, _)| made.is_ok());
        made.map(|(_, picture)| picture.as_ref().ok().map(|picture| picture.bytes().clone())).collect()
    }
}
