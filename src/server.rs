//! The way in: listeners, layers, routes.
//!
//! [`api`] is what clients see, [`admin`] what operators see; both are routers that [`listener::serve`] runs. A route
//! reads its request, asks the rooms below, and writes the answer; it decides nothing about money or time. The story of
//! an image request is in [`story`], the ways to wait for its end in [`manner`].

mod accepted;
mod admin;
mod answer;
mod cache_control;
pub mod drain_body;
mod early;
mod gateway;
pub mod inputs;
pub mod layers;
pub mod listener;
mod manner;
mod origin;
mod own_links;
mod prefer;
mod range;
pub mod read_body;
pub mod read_form;
mod readiness;
mod readings;
pub mod respond;
mod routes;
mod story;
mod visit;
mod wait;
mod waiting_room;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub use admin::{
    Admin, AdminPolicy, Balance, LookUpstream, ReloadDesk, ReloadOutcome, TeamListing, UpstreamView, admin,
};
pub use gateway::{Gateway, Keepalive, Parts, Patience, Policy, ServerOptions};
pub use origin::Origins;
pub use own_links::OwnLinks;
pub use waiting_room::{Place, WaitingRoom};

use crate::fault::{Fault, FaultKind};
use layers::Layers;
use listener::Shutdown;

/// What a client on a wrong path is told.
const SERVED: &str = "POST /v1/images/generations, /v1/images/edits and /v1/images/variations (Azure's clients: POST \
    /openai/deployments/{model}/images/generations and /edits), GET and DELETE /v1/images/generations/{id}, \
    GET /v1/models, GET /v1/models/{id} and GET /v1/usage";

/// The public routes with all layers.
pub fn api(gateway: Arc<Gateway>, cors_origins: Vec<String>, shutdown: Shutdown) -> Router {
    let observer: Arc<dyn layers::Observe> = gateway.clone();
    let router = Router::new()
        .route("/v1/images/generations", post(routes::generations::create))
        .route("/v1/images/edits", post(routes::edits::create))
        .route("/v1/images/variations", post(routes::edits::vary))
        .route("/openai/deployments/{model}/images/generations", post(routes::generations::create))
        .route("/openai/deployments/{model}/images/edits", post(routes::edits::create))
        .route("/v1/images/generations/{id}", get(routes::by_id::retrieve).delete(routes::by_id::delete))
        .route("/v1/models", get(routes::models::list))
        .route("/v1/models/{*id}", get(routes::models::retrieve))
        .route("/v1/usage", get(routes::usage::show))
        .route("/images/{file}", get(routes::images::show))
        .route("/callbacks/{token}", post(routes::callbacks::called))
        .route("/healthz", get(async || "ok\n"))
        .route("/openapi.json", get(routes::openapi::document))
        .fallback(unknown_url)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(gateway);
    layers::apply(router, Layers { cors_origins, shutdown, observer })
}

async fn unknown_url(method: http::Method, uri: http::Uri) -> Fault {
    let path: String = uri.path().chars().take(100).collect();
    Fault::new(
        FaultKind::UnknownUrl,
        format!("Unknown request URL: {method} {path}. This gateway serves {SERVED}."),
    )
}

async fn method_not_allowed(method: http::Method, uri: http::Uri) -> Fault {
    let path: String = uri.path().chars().take(100).collect();
    Fault::new(
        FaultKind::MethodNotAllowed,
        format!("{method} is not allowed for {path}; the header Allow names what is."),
    )
}
