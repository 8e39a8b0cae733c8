//! What every request passes through, whatever its route.
//!
//! [`apply`] names the layers from the outside in, each with the reason for its place. None of them knows a route.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower::ServiceBuilder;

use super::listener::Shutdown;

mod access;
mod around;
mod cors;
mod draining;
mod panics;
mod request_id;
mod trail;

pub use access::{Finished, Observe};
use around::{AnsweredInAnyCase, Observed};
pub(super) use panics::as_fault;
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
///
/// They stand as one: each layer of its own costs every waiting request kilobytes of boxed futures.
pub fn apply(router: Router, layers: Layers) -> Router {
    router.layer(
        ServiceBuilder::new()
            // Outermost, so that each request is logged and counted once, with what the client really got.
            .layer_fn(move |inner| Observed { inner, observer: Arc::clone(&layers.observer) })
            // Around every maker of answers, so that a page in a browser can read refusals too; within the log, so that
            // preflights are seen there.
            .layer(cors::layer(&layers.cors_origins))
            .layer_fn(move |inner| AnsweredInAnyCase { inner, shutdown: layers.shutdown.clone() }),
    )
}

/// The same for operators' routes: an id and an answer in any case. They are not counted among clients' requests and
/// go on while the gateway drains.
pub fn apply_for_operators(router: Router) -> Router {
    router.layer(from_fn(name_and_answer))
}

async fn name_and_answer(mut request: Request, next: Next) -> Response {
    let id = RequestId::give(&mut request);
    let mut response = panics::caught(Some(id.clone()), next.run(request)).await;
    id.name(&mut response);
    response
}

#[cfg(test)]
mod tests;
