//! The admin listener: health and metrics, for operators only.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;

use super::gateway::Gateway;
use super::layers;
use super::listener::Shutdown;
use super::readiness::{self, Readiness};
use super::respond::fault_response;
use crate::fault::{Fault, FaultKind};

/// `/livez`, `/readyz` and `/metrics`.
pub fn admin(gateway: Arc<Gateway>, shutdown: Shutdown) -> Router {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readiness::ready).with_state(Readiness::new(&gateway, shutdown)))
        .route("/metrics", get(metrics))
        .fallback(async || {
            fault_response(&Fault::new(
                FaultKind::UnknownUrl,
                "Unknown request URL. The admin listener serves /livez, /readyz and /metrics.",
            ))
        })
        .method_not_allowed_fallback(async || {
            fault_response(&Fault::new(FaultKind::MethodNotAllowed, "Only GET is allowed here."))
        })
        .with_state(gateway);
    layers::apply_for_operators(router)
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], gateway.metrics.render())
}
