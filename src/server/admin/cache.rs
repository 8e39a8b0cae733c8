//! DELETE /admin/v1/cache: forgets results, of a team, of a model, or all.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::json;

use super::Desk;
use super::query::Query;
use crate::fault::{Fault, FaultKind};
use crate::generation::journal::Purge;

/// Tells how many there were. Their pictures stay in the store for `images.keep`: links to them go on working, and so do
/// ids and idempotency keys.
pub(super) async fn purge(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = Query::read(query.as_deref(), &["team", "model"])?;
    let given = |name| query.get(name).map(str::to_owned);
    let which = Purge { team: given("team"), model: given("model") };
    let (team, model) = (which.team.clone(), which.model.clone());
    let deleted = desk.gateway.generations.purge(which).await.map_err(|error| {
        let message =
            "The results could not be deleted, since the state cannot be written. Send the request again.";
        Fault::new(FaultKind::Overloaded, message).with_cause(error)
    })?;
    tracing::info!(team, model, deleted, "results were deleted from the cache");
    Ok(super::json(&json!({"deleted": deleted})))
}
