//! Answers of the simulator: bodies that can be cut, delayed or endless, JSON, and Evolink's error object.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{Either, Full, StreamBody};
use serde::Serialize;
use serde_json::json;

/// Why a connection ends without a whole answer: a fault asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the simulator cut the connection on purpose")]
pub(super) struct Cut;

type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Cut>> + Send>>;

/// A whole body, or one that comes piece by piece.
pub(super) type Body = Either<Full<Bytes>, StreamBody<Frames>>;

pub(super) type Answer = Response<Body>;

/// A handler's end: an answer, or a cut connection.
pub(super) type Outcome = Result<Answer, Cut>;

/// An answer of any media type.
pub(super) fn whole(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(text) => whole(status, "application/json", text),
        Err(error) => whole(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

/// A 200 with JSON.
pub(super) fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// Evolink's error object, with the type that its pages give to the status.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Answer {
    json(status, &json!({"error": {"code": code, "message": message, "type": kind_of(status)}}))
}

/// The `type` of the error object by status (pages "Image Generation" and "Get Task Detail").
pub(super) fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "insufficient_quota",
        429 => "rate_limit_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

/// A web page where JSON is due, as a proxy in front of the service sends it.
pub(super) fn page(status: StatusCode) -> Answer {
    let text =
        format!("<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>");
    whole(status, "text/html", text)
}

/// The answer with one more header; values that are no header value are left out.
pub(super) fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// The answer with `Retry-After` in seconds, when there is one.
pub(super) fn with_retry_after(answer: Answer, seconds: Option<u32>) -> Answer {
    match seconds {
        Some(seconds) => with_header(answer, RETRY_AFTER, &seconds.to_string()),
        None => answer,
    }
}

/// A body sent piece by piece: `pieces` with a pause before each, and then, if `cut`, a broken connection.
pub(super) fn pieces(pieces: Vec<Bytes>, pause: Duration, cut: bool) -> Body {
    let frames = stream::unfold((pieces.into_iter(), cut), move |(mut rest, cut)| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match rest.next() {
            Some(piece) => Some((Ok(Frame::data(piece)), (rest, cut))),
            None if cut => Some((Err(Cut), (rest, false))),
            None => None,
        }
    });
    let frames: Frames = Box::pin(frames);
    Either::Right(StreamBody::new(frames))
}

/// A body that repeats `piece` until the reader gives up.
pub(super) fn endless(piece: Bytes) -> Body {
    let frames: Frames = Box::pin(stream::repeat_with(move || Ok(Frame::data(piece.clone()))));
    Either::Right(StreamBody::new(frames))
}

/// A future that never ends: the answer of a server that hangs. Dropped when the client gives up.
pub(super) async fn never() -> Outcome {
    std::future::pending().await
}
