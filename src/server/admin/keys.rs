//! `/admin/v1/keys`: lists all keys; mints, rotates and revokes those that are not the configuration's. [`asked`] reads
//! what is wanted. A secret is in one answer, once.

mod asked;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Desk;
use super::query::Query;
use crate::fault::{Fault, FaultKind, wording};
use crate::keys::{KeyEntry, LastUse, MINTED_MAX, MintError, MintedKey, NewKey};
use crate::server::gateway::{Gateway, Policy};
use crate::server::read_body::{BodyLimits, read_json_body};

/// Bytes of a request's body: names and times.
const BODY_MAX: u64 = 16 * 1024;
/// Teams that a refusal names.
const TEAMS_NAMED_MAX: usize = 50;

pub(super) async fn list(State(desk): State<Desk>, uri: Uri) -> Result<Response, Fault> {
    let query = Query::read(uri.query(), &["team"])?;
    let gateway = &desk.gateway;
    let (policy, minted, now) = (gateway.policy.load(), gateway.mint.table(), gateway.clock.now());
    let configured = policy.keys.entries().map(|(key, used)| configured(key, used, now));
    // One that is in the configuration too is the configuration's.
    let is_ours = |key: &MintedKey| !is_configured(&policy, &key.id);
    let ours = minted.entries().filter(|(key, _)| is_ours(key));
    let mut rows: Vec<Row> =
        configured.chain(ours.map(|(key, used)| minted_row(key, used, &policy, now))).collect();
    rows.retain(|row| query.get("team").is_none_or(|team| row.team == team));
    rows.sort_by(|a, b| (&a.team, &a.name, a.created, &a.id).cmp(&(&b.team, &b.name, b.created, &b.id)));
    let data: Vec<Value> = rows.into_iter().map(shown).collect();
    Ok(super::json(&json!({"data": data})))
}

pub(super) async fn mint(
    State(desk): State<Desk>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let body = read_body(&desk.gateway, &headers, body).await?;
    let wanted = asked::mint(&body, desk.gateway.clock.now())?;
    let team = known_team(&desk.gateway, wanted.team)?;
    let made = desk.gateway.mint.mint(team, wanted.name, wanted.expires).await;
    Ok(created(&made.map_err(refusal)?))
}

pub(super) async fn rotate(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let id = id_in(path)?;
    let body = read_body(&desk.gateway, &headers, body).await?;
    let wanted = asked::rotate(&body, desk.gateway.clock.now())?;
    if is_configured(&desk.gateway.policy.load(), &id) {
        return Err(conflict(
            "key_from_config",
            "This key comes from the configuration, where only its hash is: it is rotated there. Add a second key to the \
             team (`evolink-gateway key create` makes one), reload, hand the new secret out, then remove the old key \
             or give it `expires`.",
        ));
    }
    let team = desk.gateway.mint.table().by_id(&id).map(|key| key.team.clone());
    known_team(&desk.gateway, team.ok_or_else(unknown)?)?;
    let made = desk.gateway.mint.rotate(id, wanted.grace, wanted.expires).await;
    Ok(created(&made.map_err(refusal)?))
}

pub(super) async fn revoke(
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Fault> {
    let id = id_in(path)?;
    if is_configured(&desk.gateway.policy.load(), &id) {
        return Err(conflict(
            "key_from_config",
            "This key comes from the configuration: remove it there and reload. Keys minted here can be deleted.",
        ));
    }
    desk.gateway.mint.revoke(id).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read_body(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
    read_json_body(headers, body, &BodyLimits::new(BODY_MAX), &gateway.buffers).await
}

/// What is no text is no id.
fn id_in(path: Result<Path<String>, PathRejection>) -> Result<String, Fault> {
    path.map(|Path(id)| id).map_err(|_not_utf8| unknown())
}

fn is_configured(policy: &Policy, id: &str) -> bool {
    policy.keys.entries().any(|(key, _)| key.id == id)
}

fn known_team(gateway: &Gateway, team: String) -> Result<String, Fault> {
    let policy = gateway.policy.load();
    if policy.keys.team(&team).is_some() {
        return Ok(team);
    }
    let names: Vec<&str> =
        policy.admin.teams.iter().take(TEAMS_NAMED_MAX).map(|team| team.name.as_str()).collect();
    let message = format!(
        "There is no team {} in the configuration. {}",
        wording::quote(&team),
        wording::supported(&names)
    );
    Err(Fault::invalid("team", message))
}

/// One key of the list.
struct Row {
    id: String,
    team: String,
    name: String,
    source: &'static str,
    state: &'static str,
    created: Option<i64>,
    expires: Option<i64>,
    last_used: Option<i64>,
    replaced_by: Option<String>,
}

fn configured(key: &KeyEntry, used: &LastUse, now: Timestamp) -> Row {
    let expired = key.expires.is_some_and(|expires| expires <= now);
    Row {
        id: key.id.clone(),
        team: key.team.name.to_string(),
        name: key.name.clone(),
        source: "config",
        state: if expired { "expired" } else { "active" },
        created: None,
        expires: key.expires.map(Timestamp::as_second),
        last_used: used.get(),
        replaced_by: None,
    }
}

fn minted_row(key: &MintedKey, used: &LastUse, policy: &Policy, now: Timestamp) -> Row {
    let state = match policy.keys.team(&key.team) {
        _ if key.has_expired(now) => "expired",
        None => "no_team",
        Some(_) => "active",
    };
    Row {
        id: key.id.clone(),
        team: key.team.clone(),
        name: key.name.clone(),
        source: "minted",
        state,
        created: Some(key.created.as_second()),
        expires: key.expires.map(Timestamp::as_second),
        last_used: used.get(),
        replaced_by: key.replaced_by.clone(),
    }
}

fn shown(row: Row) -> Value {
    let Row { id, team, name, source, state, created, expires, last_used, replaced_by } = row;
    json!({
        "id": id, "team": team, "name": name, "source": source, "state": state, "created": created,
        "expires": expires, "last_used": last_used, "replaced_by": replaced_by,
    })
}

/// 201 with the secret; like every answer here it is not to be kept by anything in between.
fn created(made: &NewKey) -> Response {
    let NewKey { key, secret, replaces } = made;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("id", key.id.as_str().into());
    put("team", key.team.as_str().into());
    put("name", key.name.as_str().into());
    put("secret", secret.expose().into());
    put("created", key.created.as_second().into());
    put("expires", key.expires.map(Timestamp::as_second).into());
    if let Some(old) = replaces {
        put("replaces", json!({"id": old.id, "expires": old.expires.map(Timestamp::as_second)}));
    }
    let mut response = super::json(&Value::Object(fields));
    *response.status_mut() = StatusCode::CREATED;
    response
}

fn refusal(error: MintError) -> Fault {
    match error {
        MintError::Unknown => unknown(),
        MintError::NameTaken(id) => conflict(
            "key_name_taken",
            format!(
                "The team has a minted key of this name, {id}. Rotate it (POST /admin/v1/keys/{id}/rotate), or use another \
                 name."
            ),
        ),
        MintError::Replaced(by) => conflict(
            "key_replaced",
            format!("This key was rotated before, and {by} took its place: rotate that, or mint a new one."),
        ),
        MintError::Expired => {
            conflict("key_expired", "This key has expired. Mint a new one: its name is free again.")
        }
        MintError::Full => conflict(
            "too_many_keys",
            format!(
                "There are {MINTED_MAX} minted keys, which is the most. Delete those that are not needed."
            ),
        ),
        MintError::Busy => {
            Fault::new(FaultKind::Overloaded, "Too many changes of keys at once. Nothing was changed.")
        }
        MintError::Late => Fault::new(
            FaultKind::Internal,
            "It is not known whether the change was made: GET /admin/v1/keys shows it once it was.",
        ),
        MintError::Store(error) => Fault::new(
            FaultKind::Overloaded,
            "The change cannot be written down at the moment, so nothing was changed; the log says why.",
        )
        .with_cause(error),
    }
}

fn unknown() -> Fault {
    let message = "There is no key with this id. GET /admin/v1/keys lists all keys.";
    Fault::new(FaultKind::GenerationNotFound, message).with_code("key_not_found")
}

/// 409 in the shape of all errors; clients of the API do not meet it.
fn conflict(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::IdempotencyConflict, message).with_code(code)
}
