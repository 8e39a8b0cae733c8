//! Refuses new requests while the gateway drains; running ones are past this layer.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;

use crate::fault::{Fault, FaultKind};
use crate::server::listener::Shutdown;
use crate::server::respond::fault_response;

pub(super) async fn refuse_while_draining(
    State(shutdown): State<Shutdown>,
    request: Request,
    next: Next,
) -> Response {
    if !shutdown.is_draining() {
        return next.run(request).await;
    }
    let fault = Fault::new(FaultKind::Overloaded, "This server is being stopped. Send the request again.");
    let mut response = fault_response(&fault);
    // The client's repetition shall open a new connection, which a load balancer sends elsewhere.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
