//! One line in the log and one call of the observer for every request, when its answer's last byte is handed over.
//!
//! The record lives in the answer's body, because the response head says nothing about how a long answer ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderName, Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use super::{RequestId, TeamLabel, Trail};
use crate::server::respond::Outcome;

const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
/// What is noted for a client that left before the answer began; nginx made the number known.
const CLIENT_LEFT: u16 = 499;

/// Told of every finished request; the metrics.
pub trait Observe: Send + Sync {
    fn finished(&self, finished: &Finished<'_>);
}

/// One request at its end.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Finished<'a> {
    pub method: &'a Method,
    /// The route's pattern, such as `/v1/models/{id}`; `unmatched` where there is none.
    pub route: &'a str,
    /// The true one: 499 when the client left before the answer began, a late failure's own although the head said 200.
    pub status: u16,
    /// The failure came after the head.
    pub late: bool,
    /// The failure's label; none for successes and for answers made outside the table of failures.
    pub code: Option<&'static str>,
    pub request_id: &'a str,
    pub team: Option<&'a str>,
    /// [`Trail::set_cache`].
    pub cache: Option<&'static str>,
    /// [`Trail::set_waited`].
    pub waited: Option<Duration>,
    /// Until the body's end.
    pub duration: Duration,
    /// Bytes of the body handed over to be sent.
    pub bytes: u64,
    /// The client left before the body's end, or the body broke.
    pub aborted: bool,
}

/// The notes of a request under way; its drop is the request's end.
pub(super) struct Record {
    started: Instant,
    method: Method,
    route: Option<MatchedPath>,
    request_id: RequestId,
    trail: Trail,
    observer: Arc<dyn Observe>,
    status: u16,
    outcome: Option<Outcome>,
    bytes: u64,
    /// Bytes that the whole body has, where that is known.
    bytes_due: Option<u64>,
    ended: bool,
}

impl Record {
    /// Begins the record; what the handler notes in its [`Trail`] comes to it.
    pub(super) fn begin(request: &mut Request, id: RequestId, observer: Arc<dyn Observe>) -> Self {
        let trail = Trail::default();
        trail.set_request_id(id.clone());
        request.extensions_mut().insert(trail.clone());
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            route: request.extensions().get().cloned(),
            request_id: id,
            trail,
            observer,
            status: CLIENT_LEFT,
            outcome: None,
            bytes: 0,
            bytes_due: None,
            ended: false,
        }
    }

    /// Goes on within the answer's body.
    pub(super) fn attach(mut self, mut response: Response) -> Response {
        self.take_head(&response);
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert(PROCESSING_MS, milliseconds.into());
        response.map(|body| Body::new(Recorded { body, record: self }))
    }

    fn take_head(&mut self, response: &Response) {
        self.status = response.status().as_u16();
        self.outcome = response.extensions().get().cloned();
        if let Some(TeamLabel(team)) = response.extensions().get() {
            self.trail.set_team(Arc::clone(team));
        }
        self.bytes_due = response.body().size_hint().exact();
        // Answers without a body are never polled.
        self.ended = self.method == Method::HEAD
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.body().is_end_stream();
    }

    fn count(&mut self, bytes: &Bytes) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.ended |= self.bytes_due == Some(self.bytes);
    }

    /// How the request failed, if it did.
    fn outcome(&self) -> Option<&Outcome> {
        self.trail.late().or(self.outcome.as_ref())
    }

    fn finished(&self) -> Finished<'_> {
        let late = self.trail.late();
        Finished {
            method: &self.method,
            route: self.route.as_ref().map_or("unmatched", MatchedPath::as_str),
            status: late.map_or(self.status, |late| late.status),
            late: late.is_some(),
            code: self.outcome().map(|outcome| outcome.code),
            request_id: self.request_id.as_str(),
            team: self.trail.team(),
            cache: self.trail.cache(),
            waited: self.trail.waited(),
            duration: self.started.elapsed(),
            bytes: self.bytes,
            aborted: !self.ended,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let finished = self.finished();
        log(&finished, self.outcome().and_then(|outcome| outcome.cause.as_deref()));
        self.observer.finished(&finished);
    }
}

fn log(finished: &Finished<'_>, cause: Option<&str>) {
    let Finished { method, route, status, late, code, request_id, team, cache, bytes, aborted, .. } =
        *finished;
    let duration_ms = u64::try_from(finished.duration.as_millis()).unwrap_or(u64::MAX);
    let method = method.as_str();
    // Only where it is so.
    let late = late.then_some(true);
    macro_rules! request {
        ($level:ident) => {
            tracing::$level!(
                method,
                route,
                status,
                late,
                code,
                cause,
                request_id,
                team,
                cache,
                duration_ms,
                bytes,
                aborted,
                "{method} {route} answered {status} in {duration_ms} ms"
            )
        };
    }
    if status >= 500 { request!(warn) } else { request!(info) }
}

/// An answer's body with its record; passes size and end on, so that Content-Length survives.
struct Recorded {
    body: Body,
    record: Record,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.record.ended = true,
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.record.count(bytes);
                }
                self.record.ended |= self.body.is_end_stream();
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
