//! The admin listener: health, metrics and the admin API, for operators only.
//!
//! [`access`] decides who may use the admin API; its routes are one file each.

mod access;
mod cache;
mod generations;
mod keys;
mod query;
mod reload;
mod scrape;
mod teams;
mod upstream;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};
use serde_json::Value;

pub use reload::{Outcome as ReloadOutcome, ReloadDesk};
pub use teams::TeamListing;
pub use upstream::{Balance, LookUpstream, UpstreamView};

use super::gateway::Gateway;
use super::layers;
use super::listener::Shutdown;
use super::readiness::{self, Readiness};
use crate::fault::{Fault, FaultKind};
use crate::keys::KeyDigest;

/// What an operator on a wrong path is told.
const SERVED: &str = "/livez, /readyz, /metrics, GET /admin/v1/generations, GET /admin/v1/teams, \
    GET and POST /admin/v1/keys, DELETE /admin/v1/keys/{id}, POST /admin/v1/keys/{id}/rotate, \
    GET /admin/v1/upstream, GET /admin/v1/usage, DELETE /admin/v1/cache and POST /admin/v1/reload";

/// What a reload may replace of the admin API.
#[derive(Debug, Default)]
pub struct AdminPolicy {
    /// `server.admin_token`.
    pub token: Option<KeyDigest>,
    /// In the configuration's order.
    pub teams: Vec<TeamListing>,
}

/// What the admin listener needs besides the gateway.
#[derive(Clone)]
pub struct Admin {
    /// It listens on a loopback address: who can connect is on this machine.
    pub loopback: bool,
    pub reloads: ReloadDesk,
    pub upstream: LookUpstream,
}

/// The state of the admin API's routes.
#[derive(Clone)]
struct Desk {
    gateway: Arc<Gateway>,
    admin: Arc<Admin>,
}

/// `/livez`, `/readyz`, `/metrics`, and `/admin/v1/` behind its door.
pub fn admin(gateway: Arc<Gateway>, shutdown: Shutdown, admin: Admin) -> Router {
    let readiness = Readiness::new(&gateway, shutdown);
    let desk = Desk { gateway, admin: Arc::new(admin) };
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readiness::ready).with_state(readiness))
        .route("/metrics", get(metrics))
        .route("/admin/v1/generations", get(generations::list))
        .route("/admin/v1/keys", get(keys::list))
        .route("/admin/v1/keys", post(keys::mint))
        .route("/admin/v1/keys/{id}", delete(keys::revoke))
        .route("/admin/v1/keys/{id}/rotate", post(keys::rotate))
        .route("/admin/v1/teams", get(teams::list))
        .route("/admin/v1/upstream", get(upstream::show))
        .route("/admin/v1/usage", get(usage::report))
        .route("/admin/v1/cache", delete(cache::purge))
        .route("/admin/v1/reload", post(reload::reload))
        .fallback(unknown_url)
        .method_not_allowed_fallback(method_not_allowed)
        // Around the fallbacks too: who may not come in does not learn what is there.
        .layer(from_fn_with_state(desk.clone(), access::check))
        .with_state(desk);
    layers::apply_for_operators(router)
}

async fn unknown_url(method: Method, uri: Uri) -> Fault {
    let path: String = uri.path().chars().take(100).collect();
    let message = format!("Unknown request URL: {method} {path}. The admin listener serves {SERVED}.");
    Fault::new(FaultKind::UnknownUrl, message)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Fault {
    let path: String = uri.path().chars().take(100).collect();
    let message = format!("{method} is not allowed for {path}; the header Allow names what is.");
    Fault::new(FaultKind::MethodNotAllowed, message)
}

async fn metrics(State(desk): State<Desk>) -> ([(http::HeaderName, &'static str); 1], String) {
    scrape::refresh(&desk.gateway).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], desk.gateway.metrics.render())
}

/// A 200 of the admin API.
fn json(body: &Value) -> Response {
    let mut response = Response::new(body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
