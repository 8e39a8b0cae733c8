//! Refuses new requests while the gateway drains; running ones are past this.

use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;

use crate::fault::{Fault, FaultKind};
use crate::server::respond::fault_response;

/// The answer to every request that comes while draining.
pub(super) fn refusal() -> Response {
    let fault = Fault::new(FaultKind::Overloaded, "This server is being stopped. Send the request again.");
    let mut response = fault_response(&fault);
    // The client's repetition shall open a new connection, which a load balancer sends elsewhere.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
