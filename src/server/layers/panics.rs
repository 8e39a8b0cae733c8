//! Turns a panic into an answer like any other failure's.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::response::Response;
use futures_util::FutureExt as _;

use super::RequestId;
use crate::fault::{Fault, FaultKind};
use crate::server::respond::fault_response;

/// The answer, whatever becomes of its maker. The panic's text is for the log; the client is told that it is our mistake,
/// no more.
pub(super) async fn caught(id: Option<RequestId>, answer: impl Future<Output = Response>) -> Response {
    // Nothing of the request is used after a panic, so nothing half-changed is seen.
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let request_id = id.as_ref().map(RequestId::as_str);
            let text = text_of(panic.as_ref());
            tracing::error!(request_id, panic = text, "a request panicked");
            fault_response(&Fault::new(FaultKind::Internal, "The server made a mistake.").with_cause(text))
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no text)")
}
