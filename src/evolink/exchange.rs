//! One HTTP exchange with Evolink: sent, answered, read to a bounded end, within a deadline.
//!
//! Knows HTTP and its ways to break, not what answers mean.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, timeout_at};

use super::clean::clip;
use super::{CallError, problem};
use crate::telemetry::{Call, CallStatus, Metrics};

/// A batch of 50 tasks is well under 200 KiB; beyond this an answer is not one.
pub(super) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What is read of an error's body; its status has said nearly everything.
const ERROR_BYTES_MAX: usize = 64 * 1024;
const DETAIL_CHARS_MAX: usize = 300;

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    /// `Retry-After`, bounded.
    pub pause: Option<Duration>,
    pub body: Bytes,
}

/// Sends `request` and reads its answer until `deadline`. Counted in the metrics however it ends; dropping the future
/// gives up the exchange without a trace.
pub(super) async fn exchange(
    metrics: &Metrics,
    call: Call,
    request: RequestBuilder,
    deadline: Instant,
) -> Result<Answer, CallError> {
    let begun = Instant::now();
    let mut status = None;
    let result = timeout_at(deadline, send(request, &mut status)).await.unwrap_or(Err(CallError::Timeout));
    let ended = match (&result, status) {
        (Err(CallError::Connect(_)), _) => CallStatus::Connect,
        (Err(CallError::Timeout), _) => CallStatus::Timeout,
        (Err(CallError::Broken(_)), _) | (Err(_), None) => CallStatus::Broken,
        (Ok(_) | Err(_), Some(status)) => CallStatus::Http(status),
        (Ok(answer), None) => CallStatus::Http(answer.status),
    };
    metrics.upstream(call, ended, begun.elapsed().as_secs_f64());
    result
}

async fn send(request: RequestBuilder, status: &mut Option<u16>) -> Result<Answer, CallError> {
    let response = request.send().await.map_err(transport)?;
    let code = response.status().as_u16();
    *status = Some(code);
    let pause = problem::retry_after(response.headers());
    let encoded = is_encoded(response.headers());
    if response.status().is_success() {
        if encoded {
            // no encoding was offered, and unpacking is where small answers become huge ones
            return Err(CallError::Malformed {
                status: code,
                detail: "answered in an encoding nobody asked for".into(),
            });
        }
        let body = read_whole(response, code).await?;
        return Ok(Answer { status: code, pause, body });
    }
    let body = if encoded { Bytes::new() } else { read_start(response).await };
    Ok(Answer { status: code, pause, body })
}

async fn read_whole(mut response: Response, status: u16) -> Result<Bytes, CallError> {
    let too_long =
        || CallError::Malformed { status, detail: format!("longer than {ANSWER_BYTES_MAX} bytes") };
    let declared = response.content_length().unwrap_or(0);
    if usize::try_from(declared).map_or(true, |bytes| bytes > ANSWER_BYTES_MAX) {
        return Err(too_long());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// As much of an error's body as comes; a cut one does not change what its status said.
async fn read_start(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BYTES_MAX {
            body.truncate(ERROR_BYTES_MAX);
            break;
        }
    }
    body.freeze()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A time-out while connecting is no connection: nothing was sent.
fn transport(error: reqwest::Error) -> CallError {
    if error.is_connect() || error.is_builder() {
        CallError::Connect(detail(error))
    } else if error.is_timeout() {
        CallError::Timeout
    } else {
        CallError::Broken(detail(error))
    }
}

/// The error and its causes, without the address.
fn detail(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    clip(&text, DETAIL_CHARS_MAX)
}
