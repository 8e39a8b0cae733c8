//! Reads an upload to its end before the answer is sent, when a handler refused it early.
//!
//! Clients that write a large body before they read (Node, browsers) see a broken pipe instead of the 413 or 401 when
//! the server closes on them, and send the whole upload again. So the unread rest is thrown away first, within bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};

/// The most that is read of a refused upload; above the largest upload allowed, so that one refused just then fits.
const DRAIN_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The longest that a refused upload is read.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest pause within a refused upload.
const DRAIN_IDLE_MAX: Duration = Duration::from_secs(5);

/// Lends the request's body out; what is left of it then comes back.
pub fn lend(request: Request) -> (Request, Lending) {
    if request.body().is_end_stream() {
        return (request, Lending(None));
    }
    let held_back = request
        .headers()
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let home = Home::default();
    let lent = home.clone();
    let request = request.map(|body| Body::new(Lent { body: Some(body), touched: false, home: lent }));
    (request, Lending(Some(Loan { home, held_back })))
}

/// A body that is lent out; none where there was nothing to lend.
pub struct Lending(Option<Loan>);

struct Loan {
    home: Home,
    /// The client sends its body only when it is asked for.
    held_back: bool,
}

impl Lending {
    /// Reads what was left of the body, before this answer is sent.
    ///
    /// What is over the bounds, and a body that the client holds back until it is asked for (`Expect: 100-continue`),
    /// is not read: the answer then says `Connection: close`. So it is with answers that say so themselves.
    pub async fn read_out(self, mut response: Response) -> Response {
        let Some(Loan { home, held_back }) = self.0 else { return response };
        let Some(rest) = home.take() else { return response };
        let closing = response.headers().get(CONNECTION);
        if closing.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close")) {
            return response;
        }
        let stays_unsent = held_back && !rest.touched;
        if stays_unsent || !read_out(rest.body).await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Throws the rest of a body away; false when it is too long, too slow or broken.
async fn read_out(mut body: Body) -> bool {
    if body.size_hint().lower() > DRAIN_BYTES_MAX {
        return false;
    }
    let deadline = Instant::now() + DRAIN_TIME_MAX;
    let mut read = 0_u64;
    loop {
        let patience = DRAIN_IDLE_MAX.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(frame) = timeout(patience, body.frame()).await else { return false };
        match frame {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                read = read.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                if read > DRAIN_BYTES_MAX {
                    return false;
                }
            }
        }
    }
}

/// Where an unfinished body comes back to.
#[derive(Clone, Default)]
struct Home(Arc<Mutex<Option<Rest>>>);

struct Rest {
    body: Body,
    /// Whether the handler read at all.
    touched: bool,
}

impl Home {
    fn take(&self) -> Option<Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, rest: Rest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
    }
}

/// A body lent to a handler; dropped before its end it goes home.
struct Lent {
    /// None once it ended or broke.
    body: Option<Body>,
    touched: bool,
    home: Home,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.touched = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
        {
            self.home.put(Rest { body, touched: self.touched });
        }
    }
}

#[cfg(test)]
mod tests;
