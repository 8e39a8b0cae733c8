//! Answers whose head goes out before their end is known: event streams, and JSON behind whitespace.
//!
//! The head says 200 whatever comes. So a failure is told within the body, in the form that clients of such answers
//! understand, and the log and the metrics hear of it by the [`Trail`]. The body is never cut.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt as _, unfold};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at};

use super::answer::head::{Access, name_to, tell_access};
use super::answer::{AnswerBody, Composed, Writing};
use super::layers::{Trail, as_fault};
use super::respond::Outcome;
use super::wait::Wait;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::openai::{KEEP_ALIVE, error_event, late_failure_body, progress_comment};

const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// One space: JSON readers skip it.
const WHITESPACE: &str = " ";

/// How a wait ended, and what it held.
type Ended = (Result<Composed, Fault>, Wait);

/// A wait that goes on by itself.
pub(super) struct Early {
    ending: BoxFuture<'static, Ended>,
    generation: Arc<Generation>,
    access: Access,
    trail: Trail,
    clock: Clock,
}

impl Early {
    /// Waits until `deadline` at most, which is then told like any other failure.
    pub(super) fn begin(mut wait: Wait, deadline: Instant) -> Self {
        let (trail, clock) = (wait.trail.clone(), wait.gateway.clock.clone());
        let (generation, access) = (Arc::clone(wait.waiter.generation()), wait.access);
        let id = trail.request_id();
        let ending = Box::pin(async move {
            let result = as_fault(id, wait.ended(deadline)).await.and_then(|composed| composed);
            (result, wait)
        });
        Self { ending, generation, access, trail, clock }
    }

    /// The end, when it comes early enough for an answer with its true status.
    pub(super) async fn ended_by(&mut self, instant: Instant) -> Option<Ended> {
        timeout_at(instant, &mut self.ending).await.ok()
    }

    /// The head at once; then, unless `ended`, a sign of life each time that `every` went by; then the answer.
    pub(super) fn respond(self, ended: Option<Ended>, writing: Writing, every: Duration) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        match writing {
            Writing::Json => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
            Writing::Event(_) => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))
            }
        };
        // Proxies like nginx would collect the body until its end.
        headers.insert(BUFFERING, HeaderValue::from_static("no"));
        name_to(headers, &self.generation, self.access);
        tell_access(headers, self.access);
        let mut beat = interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let progress = self.generation.watch_progress();
        let Self { ending, trail, clock, .. } = self;
        let first = Some(sign_of_life(writing));
        let stage = Stage::Waiting(ending);
        let mut live = Live { writing, first, stage, beat, progress, trail, clock };
        if let Some(ended) = ended {
            live.stage = Stage::Writing(Box::new(live.body_of(ended)));
        }
        let pieces = unfold(live, |mut live| async move {
            let piece = live.next().await?;
            Some((Ok::<_, std::convert::Infallible>(piece), live))
        });
        response.map(|_empty| Body::from_stream(pieces.fuse()))
    }
}

fn sign_of_life(writing: Writing) -> Bytes {
    Bytes::from_static(match writing {
        Writing::Json => WHITESPACE.as_bytes(),
        Writing::Event(_) => KEEP_ALIVE.as_bytes(),
    })
}

/// Upstream's progress, when it has grown.
async fn grown(progress: &mut watch::Receiver<u8>) -> u8 {
    match progress.changed().await {
        Ok(()) => *progress.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

/// The body of such an answer. Dropped before its end, it leaves the generation to itself.
struct Live {
    writing: Writing,
    /// Goes out with the head: proxies pass a head on when the first byte of the body is there.
    first: Option<Bytes>,
    stage: Stage,
    beat: Interval,
    progress: watch::Receiver<u8>,
    trail: Trail,
    clock: Clock,
}

enum Stage {
    Waiting(BoxFuture<'static, Ended>),
    Writing(Box<AnswerBody>),
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match &mut self.stage {
                Stage::Writing(body) => {
                    let frame = body.frame().await?;
                    return frame.ok()?.into_data().ok();
                }
                Stage::Waiting(ending) => {
                    let ended = tokio::select! {
                        biased;
                        ended = ending => ended,
                        percent = grown(&mut self.progress), if self.writing != Writing::Json => {
                            self.beat.reset();
                            return Some(progress_comment(percent).into());
                        }
                        _ = self.beat.tick() => return Some(sign_of_life(self.writing)),
                    };
                    self.stage = Stage::Writing(Box::new(self.body_of(ended)));
                }
            }
        }
    }

    fn body_of(&self, (result, wait): Ended) -> AnswerBody {
        match result {
            Ok(composed) => composed.into_body(self.writing, wait.waiter, wait.place),
            Err(fault) => {
                self.trail.set_late(Outcome::of(&fault));
                AnswerBody::of_text(match self.writing {
                    Writing::Json => late_failure_body(self.clock.unix(), &fault),
                    Writing::Event(_) => error_event(&fault),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
