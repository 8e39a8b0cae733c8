//! Turns a panic into an answer like any other failure's.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::response::Response;
use futures_util::FutureExt as _;

use super::RequestId;
use crate::fault::{Fault, FaultKind};
use crate::server::respond::fault_response;

/// The answer, whatever becomes of its maker.
pub(super) async fn caught(id: Option<RequestId>, answer: impl Future<Output = Response>) -> Response {
    as_fault(id, answer).await.unwrap_or_else(|fault| fault_response(&fault))
}

/// A panic of `work` as a fault: its text is for the log; the client is told that it is our mistake, no more.
pub(in crate::server) async fn as_fault<T>(
    id: Option<RequestId>,
    work: impl Future<Output = T>,
) -> Result<T, Fault> {
    // Nothing of the request is used after a panic, so nothing half-changed is seen.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let request_id = id.as_ref().map(RequestId::as_str);
        let text = text_of(panic.as_ref());
        tracing::error!(request_id, panic = text, "a request panicked");
        Fault::new(FaultKind::Internal, "The server made a mistake.").with_cause(text)
    })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no text)")
}
