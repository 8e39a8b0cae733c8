//! What every request passes through, whatever its route.
//!
//! [`apply`] names the layers from the inside out, each with the reason for its place. None of them knows a route.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use super::drain_body::drain_unread;
use super::listener::Shutdown;

mod access;
mod cors;
mod draining;
mod panics;
mod request_id;
mod trail;

pub use access::{Finished, Observe};
pub use request_id::RequestId;
pub use trail::{TeamLabel, Trail};

/// What the layers need to know.
pub struct Layers {
    /// `server.cors.origins`: `*` or a list of origins.
    pub cors_origins: Vec<String>,
    pub shutdown: Shutdown,
    /// Told of every finished request.
    pub observer: Arc<dyn Observe>,
}

/// Puts the layers around `router`, its fallbacks included. Call it after the last route was added.
pub fn apply(router: Router, layers: Layers) -> Router {
    router
        // Innermost: a refused request must still be counted, drained and readable across origins.
        .layer(from_fn_with_state(layers.shutdown, draining::refuse_while_draining))
        // Around everything that may panic, within all that must see the 500 as an answer like others.
        .layer(from_fn(panics::catch_panics))
        // Around the panics' layer, because a panicking handler leaves its upload unread as well.
        .layer(from_fn(drain_unread))
        // Around every maker of answers, so that a page in a browser can read refusals too; within the log, so that
        // preflights are seen there.
        .layer(cors::layer(&layers.cors_origins))
        // Around all that answers, so that each request is logged and counted once, with what the client really got.
        .layer(from_fn_with_state(layers.observer, access::log_and_observe))
        // Outermost: every line of the log and every answer carries the id.
        .layer(from_fn(request_id::give_id))
}

#[cfg(test)]
mod tests;
