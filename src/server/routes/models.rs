//! GET /v1/models and /v1/models/{id}: what the caller's key may use.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::fault::{Fault, FaultKind, wording};
use crate::keys::Caller;
use crate::openai::{ModelCard, model_body, model_list_body};
use crate::server::gateway::Gateway;
use crate::server::layers::Trail;

pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(trail): Extension<Trail>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let policy = gateway.policy.load_full();
    let caller = gateway.caller(&policy, &headers)?;
    trail.set_team(Arc::clone(&caller.team().name));
    let cards: Vec<_> = policy.catalog.models().into_iter().filter(|card| may_use(&caller, card)).collect();
    Ok(json(model_list_body(&cards)))
}

/// The id may hold slashes, raw or percent-encoded; axum decodes both.
pub async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Extension(trail): Extension<Trail>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let policy = gateway.policy.load_full();
    let caller = gateway.caller(&policy, &headers)?;
    trail.set_team(Arc::clone(&caller.team().name));
    let Ok(Path(id)) = id else {
        let message = "The model's id in the URL is not valid UTF-8.";
        return Err(Fault::new(FaultKind::ModelNotFound, message).with_param("model"));
    };
    let card = policy.catalog.model(&id).filter(|card| may_use(&caller, card));
    card.map(|card| json(model_body(&card))).ok_or_else(|| {
        let message = format!("The model {} does not exist or this key may not use it.", wording::quote(&id));
        Fault::new(FaultKind::ModelNotFound, message).with_param("model")
    })
}

fn may_use(caller: &Caller, card: &ModelCard) -> bool {
    caller.team().allows(card.alias_of.as_deref().unwrap_or(&card.id))
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
