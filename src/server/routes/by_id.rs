//! GET and DELETE /v1/images/generations/{id}: a generation by its id, for the team that owns it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use crate::fault::{Fault, FaultKind, wording};
use crate::generation::{Generation, State as Standing, Waiter};
use crate::openai::deletion_body;
use crate::server::accepted::accepted;
use crate::server::answer::head::{self, Access};
use crate::server::gateway::Gateway;
use crate::server::layers::Trail;
use crate::server::manner::whole;
use crate::server::prefer::Preference;
use crate::server::wait::Wait;

/// 202 while it is under way; then its answer, in the form that the request which began it asked for, or its error.
pub async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Extension(trail): Extension<Trail>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let began = Instant::now();
    let preference = Preference::of(&headers);
    let (team, waiter) = find(&gateway, &trail, &headers, id)?;
    let patience = preference.patience().unwrap_or_default().min(gateway.deadline);
    let mut response = if has_ended(waiter.generation()) || !patience.is_zero() {
        let place = gateway.waiting_room.enter(&team)?;
        let plan = Arc::new(waiter.generation().plan().clone());
        let until = began + if has_ended(waiter.generation()) { gateway.deadline } else { patience };
        answer_by(until, Wait { gateway, trail, plan, waiter, access: Access::ById, place }).await
    } else {
        accepted(waiter.generation(), &gateway.clock)
    };
    head::tell_preference(response.headers_mut(), preference);
    Ok(response)
}

/// Takes the generation back. Who still waits for it gets its answer; it is not found any more.
pub async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(trail): Extension<Trail>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (team, waiter) = find(&gateway, &trail, &headers, id)?;
    let generation = Arc::clone(waiter.generation());
    // Whoever waits keeps upstream from being asked to cancel: this request must not be one.
    drop(waiter);
    let id = generation.id().to_string();
    if !gateway.generations.detach(&team, &id) {
        return Err(unknown(&id));
    }
    let mut response = Response::new(Body::from(deletion_body(&id)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head::name_generation(headers, &generation);
    Ok(response)
}

/// The caller's team, and its generation of this id.
fn find(
    gateway: &Gateway,
    trail: &Trail,
    headers: &HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<(Arc<str>, Waiter), Fault> {
    let caller = gateway.caller(&gateway.policy.load(), headers)?;
    let team = Arc::clone(&caller.team().name);
    trail.set_team(Arc::clone(&team));
    let Path(id) = id.map_err(|_not_utf8| unknown("…"))?;
    let waiter = gateway.generations.find(&team, &id).ok_or_else(|| unknown(&id))?;
    Ok((team, waiter))
}

async fn answer_by(until: Instant, mut wait: Wait) -> Response {
    let deadline = Instant::now() + wait.gateway.deadline;
    let result = timeout_at(until, wait.ended(deadline)).await;
    match result {
        Ok(Ok(composed)) => whole(Ok(composed), wait),
        // Its own error: asking once more gives the same.
        Ok(Err(fault)) if wait.waiter.generation().state() == Standing::Failed => {
            whole(Err(fault.with_repeat(false)), wait)
        }
        Ok(Err(fault)) if has_ended(wait.waiter.generation()) => whole(Err(fault), wait),
        Ok(Err(_)) | Err(_) => accepted(wait.waiter.generation(), &wait.gateway.clock),
    }
}

fn has_ended(generation: &Generation) -> bool {
    matches!(generation.state(), Standing::Done | Standing::Failed)
}

fn unknown(id: &str) -> Fault {
    let message = format!(
        "No generation {} of this team is known. An id is good while its generation runs, and for some time after.",
        wording::quote(id)
    );
    Fault::new(FaultKind::GenerationNotFound, message)
}
