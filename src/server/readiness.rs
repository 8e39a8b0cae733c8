//! `/readyz`: whether new requests should come here.
//!
//! Not while draining, and not while the journal takes nothing: every paid request would be refused. Nor while this
//! machine cannot write its folder of pictures: another might. A full folder still gives what it has. The states of
//! Evolink and of a bucket do not count; all replicas share them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use http::StatusCode;

use super::gateway::Gateway;
use super::listener::Shutdown;
use crate::generation::{Generations, Health};

/// What readiness is judged by; cheap to clone.
#[derive(Clone)]
pub(super) struct Readiness {
    generations: Generations,
    shutdown: Shutdown,
    /// As last told, so that a change is logged once.
    ready: Arc<AtomicBool>,
}

impl Readiness {
    pub(super) fn new(gateway: &Gateway, shutdown: Shutdown) -> Self {
        let generations = gateway.generations.clone();
        Self { generations, shutdown, ready: Arc::new(AtomicBool::new(true)) }
    }

    fn log(&self, health: &Health) {
        let ready = health.state.is_ok() && health.images.is_ok();
        if self.ready.swap(ready, Ordering::Relaxed) == ready {
            return;
        }
        if ready {
            tracing::info!("ready again");
        } else {
            let reason = |part: &Result<(), Arc<str>>| part.as_ref().err().cloned();
            tracing::error!(state = ?reason(&health.state), images = ?reason(&health.images), "not ready: what would be bought could not be kept");
        }
    }
}

/// 200, or 503 with what does not work: `draining`, `state`, `images`.
pub(super) async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    if readiness.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let health = readiness.generations.health().await;
    readiness.log(&health);
    let parts = [("state", health.state.is_ok()), ("images", health.images.is_ok())];
    let failing: Vec<&str> = parts.into_iter().filter(|(_, works)| !works).map(|(part, _)| part).collect();
    if failing.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", failing.join(", ")))
    }
}
