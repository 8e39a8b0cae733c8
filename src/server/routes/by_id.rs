//! GET and DELETE /v1/images/generations/{id}: a generation by its id, for the team that owns it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};

use crate::fault::{Fault, FaultKind, wording};
use crate::generation::{Generation, State, Waiter};
use crate::openai::deletion_body;
use crate::server::accepted::accepted;
use crate::server::answer::head::{self, Access};
use crate::server::answer::timing::Before;
use crate::server::manner::whole;
use crate::server::prefer::Preference;
use crate::server::visit::Visit;
use crate::server::wait::Wait;

/// What stands for the id in the path; axum tells when it is not UTF-8.
type Id = Result<Path<String>, PathRejection>;

/// 202 while it is under way; then its answer, in the form that the request which began it asked for, or its error.
pub(in crate::server) async fn retrieve(visit: Visit, id: Id) -> Result<Response, Fault> {
    let waiter = find(&visit, id).await?;
    let preference = Preference::of(&visit.headers);
    let patience = preference.patience().unwrap_or_default().min(visit.gateway.deadline);
    let mut response = if has_ended(waiter.generation()) {
        let until = visit.began + visit.gateway.deadline;
        answer_by(until, wait(visit, waiter)?).await
    } else if patience.is_zero() {
        accepted(waiter.generation(), &visit.gateway.clock)
    } else {
        answer_by(visit.began + patience, wait(visit, waiter)?).await
    };
    let headers = response.headers_mut();
    head::tell_preference(headers, preference);
    // The same URL says something else a moment later.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Takes the generation back. Who still waits for it gets its answer; it is not found any more.
pub(in crate::server) async fn delete(visit: Visit, id: Id) -> Result<Response, Fault> {
    let Path(id) = id.map_err(|_not_utf8| unknown("…"))?;
    visit.gateway.generations.remember(visit.team(), &id).await;
    let generation = visit.gateway.generations.detach(visit.team(), &id).ok_or_else(|| unknown(&id))?;
    let mut response = Response::new(Body::from(deletion_body(&id)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head::name_generation(headers, &generation);
    Ok(response)
}

async fn find(visit: &Visit, id: Id) -> Result<Waiter, Fault> {
    let Path(id) = id.map_err(|_not_utf8| unknown("…"))?;
    visit.gateway.generations.remember(visit.team(), &id).await;
    visit.gateway.generations.find(visit.team(), &id).ok_or_else(|| unknown(&id))
}

fn wait(visit: Visit, waiter: Waiter) -> Result<Wait, Fault> {
    let place = visit.gateway.waiting_room.enter(visit.team())?;
    let plan = Arc::new(waiter.generation().plan().clone());
    let link_base = visit.link_base(plan.delivery);
    let Visit { gateway, trail, .. } = visit;
    Ok(Wait {
        gateway,
        trail,
        plan,
        waiter,
        access: Access::ById,
        before: Before::default(),
        link_base,
        place,
    })
}

async fn answer_by(until: Instant, mut wait: Wait) -> Response {
    let deadline = Instant::now() + wait.gateway.deadline;
    let result = timeout_at(until, wait.ended(deadline)).await;
    let state = wait.waiter.generation().state();
    match result {
        Ok(Ok(composed)) => whole(Ok(composed), wait),
        // Its own error: asking once more gives the same.
        Ok(Err(fault)) if state == State::Failed => whole(Err(fault.with_repeat(false)), wait),
        Ok(Err(fault)) if state == State::Done => whole(Err(fault), wait),
        // In doubt, overdue, or not in time: it goes on.
        Ok(Err(_)) | Err(_) => accepted(wait.waiter.generation(), &wait.gateway.clock),
    }
}

fn has_ended(generation: &Generation) -> bool {
    matches!(generation.state(), State::Done | State::Failed)
}

fn unknown(id: &str) -> Fault {
    let message = format!(
        "No generation {} of this team is known. An id is good while its generation runs, and for some time after.",
        wording::quote(id)
    );
    Fault::new(FaultKind::GenerationNotFound, message)
}
