//! POST /v1/images/generations: the story of one request.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use tokio::time::Instant;

use crate::fault::{Fault, FaultKind};
use crate::generation::{Owner, Waiter};
use crate::image::{Delivery, Fingerprint, Plan, Reference};
use crate::keys::Caller;
use crate::media::ReferenceError;
use crate::openai::{GivenImage, ImageParams, StreamKind, parse_generation};
use crate::server::answer::head::{self, Access};
use crate::server::gateway::{Gateway, Policy};
use crate::server::layers::Trail;
use crate::server::manner::Manner;
use crate::server::read_body::read_json_body;
use crate::server::respond::fault_response;
use crate::server::wait::Wait;
use crate::server::waiting_room::Place;

/// Reads the request, waits for its generation and answers with the pictures.
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(trail): Extension<Trail>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let began = Instant::now();
    let policy = gateway.policy.load_full();
    let caller = gateway.caller(&policy, &headers)?;
    trail.set_team(Arc::clone(&caller.team().name));
    let body = read_json_body(&headers, body, &gateway.json, &gateway.buffers).await?;
    let (plan, stream) = plan(&policy, &caller, &body)?;
    let plan = Arc::new(plan);
    let manner = Manner::asked(&gateway, &headers, stream.then_some(StreamKind::Generation));
    let retry = is_automatic_retry(&headers);
    // From here on the request mostly waits; its head and body would keep the connection's read buffer alive.
    drop((headers, body));
    let mut response = match begin(&gateway, &caller, &plan, retry).await {
        Ok((waiter, place)) => {
            trail.set_cache(if waiter.joined() { "collapsed" } else { "bypass" });
            let plan = Arc::clone(&plan);
            let access = if waiter.joined() { Access::Joined } else { Access::First };
            manner.answer(Wait { gateway, trail, plan, waiter, access, place }, began).await
        }
        Err(fault) => fault_response(&fault),
    };
    head::name_ignored(response.headers_mut(), &plan);
    Ok(response)
}

/// A place to wait in, and the generation to wait for.
async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    plan: &Arc<Plan>,
    retry: bool,
) -> Result<(Waiter, Place), Fault> {
    check_references(gateway, plan).await?;
    let place = gateway.waiting_room.enter(&caller.team().name)?;
    let owner = Owner {
        team: Arc::clone(&caller.team().name),
        key: caller.key().id.as_str().into(),
        fingerprint: Fingerprint::of(&plan.task, plan.count),
    };
    Ok((gateway.generations.begin(Arc::clone(plan), owner, Vec::new(), retry)?, place))
}

/// The request made definite: parsed, resolved to a model the caller may use, checked against it.
fn plan(policy: &Policy, caller: &Caller, body: &[u8]) -> Result<(Plan, bool), Fault> {
    let ImageParams { mut request, images, mask, stream } = parse_generation(body)?;
    request.references = images.into_iter().filter_map(link).collect();
    request.mask = mask.and_then(link);
    let model = policy.catalog.resolve(request.model.as_deref())?.model().to_owned();
    caller.check_model(&model)?;
    let mut plan = policy.catalog.plan(request, false)?;
    if stream && !plan.delivery_explicit {
        // OpenAI's streams know no links: a default of an alias does not bring them in.
        plan.delivery = Delivery::Base64;
    }
    match plan.ignored.first() {
        Some(name) if caller.team().strict => Err(Fault::new(
            FaultKind::UnknownParameter,
            format!("Unknown parameter: '{name}'. Strict mode refuses parameters that would have no effect."),
        )
        .with_param(name.clone())),
        _ => Ok((plan, stream)),
    }
}

fn link(given: GivenImage) -> Option<Reference> {
    match given {
        GivenImage::Link(link) => Some(Reference::Link(link)),
        GivenImage::Data(_) => None,
    }
}

/// Callers' links are checked and passed on, never fetched here.
async fn check_references(gateway: &Gateway, plan: &Plan) -> Result<(), Fault> {
    let references = plan.task.references.iter().map(|reference| ("image_urls", reference));
    let mask = plan.task.mask.iter().map(|reference| ("mask_url", reference));
    for (param, reference) in references.chain(mask) {
        let Reference::Link(link) = reference else { continue };
        gateway.guard.check_reference(link).await.map_err(|error| unusable(param, error))?;
    }
    Ok(())
}

fn unusable(param: &'static str, error: ReferenceError) -> Fault {
    Fault::invalid(
        param,
        format!("Invalid value for '{param}': {error}. Use https links that anyone can open."),
    )
}

/// OpenAI's SDKs number their own repetitions; a first try says 0.
fn is_automatic_retry(headers: &HeaderMap) -> bool {
    let count = headers.get("x-stainless-retry-count").and_then(|value| value.to_str().ok());
    count.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 0)
}
