//! The story of an image request from its parameters on, the same for every route and form of it.
//!
//! Plan → check of links → a place to wait in → the generation → the answer, in the manner asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::answer::head::{self, Access, Stored};
use super::answer::timing::Before;
use super::cache_control::{CacheUse, SEED};
use super::gateway::Gateway;
use super::inputs::{Inputs, gather};
use super::manner::Manner;
use super::respond::fault_response;
use super::visit::Visit;
use super::wait::Wait;
use crate::fault::{Fault, FaultKind};
use crate::generation::{Owner, Wish};
use crate::image::{Delivery, ImageRequest, InputNames, Plan, Reference, TaskSpec};
use crate::media::{Guard, InputFile};
use crate::openai::{ImageParams, StreamKind};
use crate::quota::{CallerLimits, limit_behind};

/// Longest check of all links of a request; they are looked up side by side, each within 5 s.
const LINKS_TIME_MAX: Duration = Duration::from_secs(6);

/// Longest look whether the pictures of a result can still be had, before the request waits for them in its own manner.
const LOST_LOOK_MAX: Duration = Duration::from_secs(10);

/// What a client asks for, its pictures in place.
pub(super) struct Asked {
    pub(super) request: ImageRequest,
    /// The pictures among the request's references.
    pub(super) files: Vec<InputFile>,
    /// The events of the answer, where it is wanted as a stream.
    pub(super) stream: Option<StreamKind>,
}

impl Asked {
    /// Looks at the pictures that stand in the parameters; those of a form, `inputs`, go before them.
    ///
    /// # Errors
    /// 400 for what is no picture, 503 when there is no place to keep them.
    pub(super) async fn gather(
        gateway: &Gateway,
        params: ImageParams,
        inputs: Inputs,
        kind: StreamKind,
    ) -> Result<Self, Fault> {
        let ImageParams { mut request, images, mask, stream } = params;
        let names = request.names;
        let more = gather(images, mask, names, &gateway.buffers, &gateway.spool).await?;
        let Inputs { references, mask, files } = inputs.join(more, names)?;
        request.references = references;
        request.mask = mask;
        Ok(Self { request, files, stream: stream.then_some(kind) })
    }
}

/// Answers the request of `visit`.
///
/// # Errors
/// What is refused before there is a plan; later refusals are answers already, with what is known by then.
pub(super) async fn tell(visit: Visit, asked: Asked) -> Result<Response, Fault> {
    let Asked { mut request, files, stream } = asked;
    if let Some(model) = &visit.deployment {
        request.model = Some(model.clone());
    }
    let names = request.names;
    let rules = visit.gateway.generations.cache_rules(visit.team());
    let cache = CacheUse::of(&visit.headers, rules.enabled)?.seeded(request.native.get(SEED));
    let plan = Arc::new(plan(&visit, request, stream.is_some())?);
    let mut response = match check_links(&visit.gateway.guard, &plan.task, names).await {
        Ok(()) => run(visit, Arc::clone(&plan), files, cache, stream).await,
        Err(fault) => fault_response(&fault),
    };
    head::name_ignored(response.headers_mut(), &plan);
    Ok(response)
}

/// The request made definite: resolved to a model the caller may use, checked against it.
fn plan(visit: &Visit, request: ImageRequest, stream: bool) -> Result<Plan, Fault> {
    let catalog = &visit.policy.catalog;
    let model = catalog.resolve(request.model.as_deref())?.model().to_owned();
    visit.caller.check_model(&model)?;
    let linkable = visit.gateway.own_links.is_some() && visit.gateway.generations.keeps_results();
    let mut plan = catalog.plan(request, linkable)?;
    if stream && !plan.delivery_explicit {
        // OpenAI's streams know no links: a default of an alias does not bring them in.
        plan.delivery = Delivery::Base64;
    }
    match plan.ignored.first() {
        Some(name) if visit.caller.team().strict => Err(Fault::new(
            FaultKind::UnknownParameter,
            format!("Unknown parameter: '{name}'. Strict mode refuses parameters that would have no effect."),
        )
        .with_param(name.clone())),
        _ => Ok(plan),
    }
}

/// Callers' links are checked and passed on, never fetched here. The first one refused is told.
async fn check_links(guard: &Guard, task: &TaskSpec, names: InputNames) -> Result<(), Fault> {
    if task.references.iter().chain(&task.mask).all(|reference| reference.picture().is_some()) {
        return Ok(());
    }
    let references = task.references.iter().map(|reference| (names.image, reference));
    let mask = task.mask.iter().map(|reference| (names.mask, reference));
    let checks = references.chain(mask).filter_map(|(param, reference)| match reference {
        Reference::Link(link) => Some(async move {
            guard.check_reference(link).await.map_err(|error| unusable(param, &error.to_string()))
        }),
        Reference::Picture(_) => None,
    });
    let checked = timeout(LINKS_TIME_MAX, join_all(checks)).await;
    let checked = checked.map_err(|_elapsed| unusable(names.image, "the hosts were not found in time"))?;
    checked.into_iter().collect()
}

fn unusable(param: &'static str, error: &str) -> Fault {
    let message = format!("Invalid value for '{param}': {error}. Use https links that anyone can open.");
    Fault::invalid(param, message)
}

/// From here on the request mostly waits: what is left of its head would keep the connection's read buffer alive.
async fn run(
    visit: Visit,
    plan: Arc<Plan>,
    files: Vec<InputFile>,
    cache: CacheUse,
    stream: Option<StreamKind>,
) -> Response {
    let manner = Manner::asked(&visit.gateway, &visit.headers, stream);
    let (since, gateway) = (visit.began, Arc::clone(&visit.gateway));
    let limits = gateway.quota.limits(&visit.caller.team().name, &visit.caller.key().name);
    let begun = begin(visit, plan, files, cache, limits.clone()).await;
    // As they stand once the request is counted: an answer may come minutes later.
    let rates = gateway.quota.gate.standing(&limits, Instant::now());
    let mut response = match begun {
        Ok(wait) => manner.answer(wait, since).await,
        Err(fault) => fault_response(&fault),
    };
    head::tell_rates(response.headers_mut(), &rates);
    response
}

/// A place to wait in, and the generation to wait for.
async fn begin(
    visit: Visit,
    plan: Arc<Plan>,
    inputs: Vec<InputFile>,
    cache: CacheUse,
    limits: CallerLimits,
) -> Result<Wait, Fault> {
    let link_base = visit.link_base(plan.delivery);
    let Visit { gateway, trail, caller, auth, .. } = visit;
    let team = &caller.team().name;
    let checking = Instant::now();
    let price = gateway.quota.check(&limits, &plan).inspect_err(|fault| {
        if let Some(limit) = limit_behind(fault) {
            gateway.metrics.quota_rejection(team, limit);
        }
    })?;
    let place = gateway.waiting_room.enter(team)?;
    let owner = Owner {
        team: Arc::clone(team),
        key: caller.key().id.as_str().into(),
        fingerprint: cache.fingerprint(&plan),
    };
    let CacheUse { reuse, stored, .. } = cache;
    let stored = match stored {
        true if gateway.generations.keeps_results() => Stored::Yes,
        true => Stored::NotNow,
        false => Stored::No,
    };
    let wish = Wish { plan: Arc::clone(&plan), owner, inputs, reuse, limits, price };
    let looking = Instant::now();
    let limits = looking.duration_since(checking);
    let mut begun = gateway.generations.begin(wish.clone()).await;
    // Getting a result's pictures is told as that, and not twice.
    let mut found = looking.elapsed();
    if let Ok(waiter) = &begun
        && timeout(LOST_LOOK_MAX, waiter.is_lost()).await.unwrap_or(false)
    {
        begun = gateway.generations.begin(wish).await;
        found = looking.elapsed();
    }
    let access = begun.as_ref().map_or(Access::First { stored }, |waiter| Access::of(waiter.came(), stored));
    trail.set_cache(access.label());
    let waiter = begun?;
    let before = Before::of(auth, limits, found, access);
    Ok(Wait { gateway, trail, plan, waiter, access, before, link_base, place })
}

#[cfg(test)]
mod tests;
