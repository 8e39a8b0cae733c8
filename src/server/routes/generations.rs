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
use crate::image::{Fingerprint, Plan, Reference};
use crate::keys::Caller;
use crate::media::ReferenceError;
use crate::openai::{GivenImage, ImageParams, parse_generation};
use crate::server::answer::{self, Composed, Made};
use crate::server::gateway::{Gateway, Policy};
use crate::server::layers::Trail;
use crate::server::read_body::read_json_body;
use crate::server::respond::fault_response;
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
    let plan = Arc::new(plan(&policy, &caller, &body)?);
    let retry = is_automatic_retry(&headers);
    // From here on the request mostly waits; its head and body would keep the connection's read buffer alive.
    drop((headers, body));
    let mut response = match begin(&gateway, &caller, &plan, retry).await {
        Ok((waiter, place)) => wait_and_answer(&gateway, &trail, &plan, waiter, place, began).await,
        Err(fault) => fault_response(&fault),
    };
    answer::name_ignored(response.headers_mut(), &plan);
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
fn plan(policy: &Policy, caller: &Caller, body: &[u8]) -> Result<Plan, Fault> {
    let ImageParams { mut request, images, mask, stream } = parse_generation(body)?;
    if stream {
        let message = "Streaming is not supported. Leave 'stream' out: the answer then comes whole, as one JSON object.";
        return Err(Fault::new(FaultKind::UnsupportedParameter, message).with_param("stream"));
    }
    let names = request.names;
    request.references =
        images.into_iter().map(|image| link(names.image, image)).collect::<Result<_, _>>()?;
    request.mask = mask.map(|mask| link(names.mask, mask)).transpose()?;
    let model = policy.catalog.resolve(request.model.as_deref())?.model().to_owned();
    caller.check_model(&model)?;
    let plan = policy.catalog.plan(request, false)?;
    match plan.ignored.first() {
        Some(name) if caller.team().strict => Err(Fault::new(
            FaultKind::UnknownParameter,
            format!("Unknown parameter: '{name}'. Strict mode refuses parameters that would have no effect."),
        )
        .with_param(name.clone())),
        _ => Ok(plan),
    }
}

fn link(param: &'static str, given: GivenImage) -> Result<Reference, Fault> {
    match given {
        GivenImage::Link(link) => Ok(Reference::Link(link)),
        GivenImage::Data(_) => Err(Fault::invalid(
            param,
            format!("Invalid value for '{param}': data URLs are not taken here; give an http or https link."),
        )),
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

/// From here on a generation exists, and every answer names it.
async fn wait_and_answer(
    gateway: &Gateway,
    trail: &Trail,
    plan: &Plan,
    mut waiter: Waiter,
    place: Place,
    began: Instant,
) -> Response {
    trail.set_cache(if waiter.joined() { "collapsed" } else { "bypass" });
    let composed = tokio::select! {
        composed = composed(gateway, trail, plan, &mut waiter, began + gateway.deadline) => composed,
        () = gateway.giving_up.cancelled() => Err(going_down()),
    };
    match composed {
        Ok(composed) => answer::respond(composed, waiter, place),
        Err(fault) => {
            let mut response = fault_response(&fault);
            answer::name_generation(response.headers_mut(), waiter.generation());
            response
        }
    }
}

/// The pictures in the asked form, within the deadline; past it a repetition waits on.
async fn composed(
    gateway: &Gateway,
    trail: &Trail,
    plan: &Plan,
    waiter: &mut Waiter,
    deadline: Instant,
) -> Result<Composed, Fault> {
    let waiting = Instant::now();
    let made = wait(waiter, deadline).await;
    trail.set_waited(waiting.elapsed());
    let composing = answer::compose(&gateway.converter, plan, made?);
    tokio::time::timeout_at(deadline, composing).await.map_err(|_elapsed| Waiter::at_deadline())?
}

/// The end of the generation and its pictures.
async fn wait(waiter: &mut Waiter, deadline: Instant) -> Result<Made, Fault> {
    let finished = waiter.finished(deadline).await?;
    let pictures = tokio::time::timeout_at(deadline, waiter.pictures(&finished)).await;
    let pictures = pictures.map_err(|_elapsed| Waiter::at_deadline())??;
    Ok(Made { finished, pictures })
}

fn going_down() -> Fault {
    let message = "This server is being stopped. The picture may still be made; send the request again.";
    Fault::new(FaultKind::Overloaded, message)
}
