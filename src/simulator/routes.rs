//! From a request to its handler: the three hosts of Evolink on one listener, and the simulator's own paths.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::answer::{Answer, Outcome, refusal, with_header};
use super::files::{self, Way};
use super::latency::number_of;
use super::{World, account, control, create, looks, media};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Largest JSON body of the task API.
const JSON_MAX: usize = 1 << 20;
/// Largest upload: 100 MB in base64.
const UPLOAD_MAX: usize = 140 << 20;

/// Answers one request; an error cuts the connection.
pub(super) async fn answer(world: Arc<World>, request: Request<Incoming>) -> Outcome {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    let (method, headers) = (&head.method, &head.headers);
    if let Some(path) = path.strip_prefix("/media/").filter(|_| is_read(method)) {
        return media::picture(&world, headers, path).await;
    }
    if let Some(path) = path.strip_prefix("/files/").filter(|_| is_read(method)) {
        return Ok(files::serve(&world, headers, path));
    }
    if let Some(path) = path.strip_prefix("/_simulator/") {
        let body = match read(body, JSON_MAX).await {
            Ok(body) => body,
            Err(answer) => return Ok(answer),
        };
        return Ok(control::answer(&world, method, path, &body));
    }
    let Some(owner) = owner(&world, headers) else {
        return Ok(refusal(StatusCode::UNAUTHORIZED, "unauthorized", "Invalid API key"));
    };
    let request = world.next_request();
    let answer = match path.strip_prefix("/api/v1/files/") {
        Some(path) => files_api(&world, method, headers, path, query, body).await,
        None => task_api(&world, &head, path, query, body, owner).await,
    };
    answer.map(|answer| with_header(answer, REQUEST_ID, &format!("{request:020}")))
}

async fn task_api(
    world: &Arc<World>,
    head: &http::request::Parts,
    path: &str,
    query: &str,
    body: Incoming,
    owner: u64,
) -> Outcome {
    let path = path.strip_prefix("/v1/").unwrap_or_default();
    let task = path.strip_prefix("tasks/").filter(|id| !id.contains('/'));
    match (&head.method, path, task) {
        (&Method::POST, "images/generations", _) => match read(body, JSON_MAX).await {
            Ok(body) => create::create(world, &head.headers, body, owner).await,
            Err(answer) => Ok(answer),
        },
        (&Method::POST, "tasks/batch", _) if world.options.batch => match read(body, JSON_MAX).await {
            Ok(body) => looks::batch(world, &body, owner).await,
            Err(answer) => Ok(answer),
        },
        (&Method::GET, "tasks", _) if world.options.list => Ok(looks::list(world, query, owner)),
        (&Method::GET, "models", _) => Ok(account::models()),
        (&Method::GET, "credits", _) => Ok(account::credits(world, owner)),
        (&Method::GET, _, Some(id)) => looks::one(world, id, owner).await,
        (&Method::DELETE, _, Some(id)) => Ok(looks::cancel(world, id, owner)),
        (method, _, _) => Ok(unknown(method, head.uri.path())),
    }
}

async fn files_api(
    world: &Arc<World>,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
    query: &str,
    body: Incoming,
) -> Outcome {
    let way = match path {
        "upload/base64" => Some(Way::Base64),
        "upload/stream" => Some(Way::Form),
        "upload/url" => Some(Way::Url),
        _ => None,
    };
    if let Some(way) = way.filter(|_| method == Method::POST) {
        return match read(body, UPLOAD_MAX).await {
            Ok(body) => files::upload(world, way, headers, body).await,
            Err(answer) => Ok(answer),
        };
    }
    let receipt = path.strip_prefix("upload-receipts/");
    match (method, path, receipt) {
        (&Method::GET, "quota", _) => Ok(files::quota(world)),
        (&Method::GET, "list", _) => Ok(files::list(world, query)),
        (&Method::GET, _, Some(id)) => Ok(files::receipt(world, headers, id)),
        (&Method::DELETE, id, None) if !id.contains('/') => Ok(files::delete(world, id)),
        _ => Ok(unknown(method, &format!("/api/v1/files/{path}"))),
    }
}

/// Evolink's answer to a path that is none.
fn unknown(method: &Method, path: &str) -> Answer {
    refusal(StatusCode::NOT_FOUND, "invalid_url", &format!("Invalid URL ({method} {path})"))
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Whose request it is: a number for the key. None: no key, or one that the account does not have.
fn owner(world: &World, headers: &HeaderMap) -> Option<u64> {
    let key = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    let keys = &world.options.api_keys;
    let known = keys.is_empty() || keys.iter().any(|known| known == key);
    (!key.is_empty() && known).then(|| number_of(key))
}

async fn read(body: Incoming, max: usize) -> Result<Bytes, Answer> {
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", "Request body too large")),
    }
}
