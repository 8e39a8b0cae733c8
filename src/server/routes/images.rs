//! GET and HEAD /images/{file}: a stored picture, for whoever holds a link to it. No key is asked for: the signature in
//! the query is the leave.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::fault::{Fault, FaultKind};
use crate::image::Compression;
use crate::media::{LinkError, LinkedPicture, OpenLink};
use crate::server::answer::head::put;
use crate::server::gateway::Gateway;
use crate::server::own_links::{self, OpenPicture, gone, is_still_stored};
use crate::server::range::{self, Part};

/// Other sites' pages may show the picture, under whatever isolation they ask for: they have the link.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Letters of the content's hash in the name under which a picture is saved.
const NAME_LETTERS: usize = 12;

pub(in crate::server) async fn show(
    State(gateway): State<Arc<Gateway>>,
    file: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let file = file.map(|Path(file)| file).unwrap_or_default();
    let shown = follow(&gateway, &file, &query.unwrap_or_default(), &method, &headers).await;
    shown.unwrap_or_else(|fault| {
        let mut response = fault.into_response();
        // A 404 or 410 may otherwise be kept, and answer a link that works.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    })
}

async fn follow(
    gateway: &Gateway,
    file: &str,
    query: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    // A gateway that stores nothing has given no links.
    let own = gateway.own_links.as_ref().ok_or_else(|| refusal(LinkError::NoLink))?;
    let OpenLink { picture, left } = own.links.check(file, query, gateway.clock.unix()).map_err(refusal)?;
    let tag = entity_tag(&picture);
    let mut response = if knows(headers, &tag) {
        if !is_still_stored(&gateway.memory, &own.store, &picture).await {
            return Err(gone());
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let open = own_links::open(gateway, own, &picture).await?;
        // HEAD knows no ranges.
        let length = open.bytes.len();
        let part = if method == Method::GET { range::asked(headers, &tag, length) } else { Part::Whole };
        of_part(open, &picture, part)
    };
    if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        put(response.headers_mut(), ETAG, &tag);
        put(response.headers_mut(), CACHE_CONTROL, &kept_for(left));
    }
    Ok(response)
}

fn of_part(open: OpenPicture, linked: &LinkedPicture, part: Part) -> Response {
    let length = open.bytes.len();
    let (status, bytes, range) = match part {
        Part::Whole => (StatusCode::OK, open.bytes, None),
        Part::Some(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, open.bytes.slice(range), Some(told))
        }
        Part::None => return beyond_the_end(length),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(open.format.media_type()));
    headers.insert(CONTENT_LENGTH, bytes.len().into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = range {
        put(headers, CONTENT_RANGE, &range);
    }
    let name: String = linked.content.to_string().chars().take(NAME_LETTERS).collect();
    let name = format!("inline; filename=\"{name}.{}\"", open.format.name());
    put(headers, CONTENT_DISPOSITION, &name);
    // Whatever the bytes are: they are shown as this picture, and run nothing.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    *response.body_mut() = Body::from(bytes);
    response
}

fn beyond_the_end(length: usize) -> Response {
    let message = format!("The picture has {length} bytes: none of those asked for.");
    let mut response = Fault::new(FaultKind::RangeNotSatisfiable, message).into_response();
    put(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{length}"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// For the one who has the link, as long as the link works: it never shows anything else.
fn kept_for(left: Duration) -> String {
    format!("private, max-age={}, immutable", left.as_secs())
}

/// Names the very bytes. What is converted may have others with another version of the gateway.
fn entity_tag(linked: &LinkedPicture) -> String {
    let LinkedPicture { content, form, .. } = linked;
    if linked.is_as_stored() {
        return format!("\"{content}\"");
    }
    let percent = form.compression.map_or(100, Compression::percent);
    let size = form.pixels.map_or_else(String::new, |pixels| format!("-{pixels}"));
    format!("\"{content}-{}-{percent}{size}-{}\"", form.format.name(), env!("CARGO_PKG_VERSION"))
}

/// Whether the client has these bytes (RFC 9110, section 13.1.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn refusal(error: LinkError) -> Fault {
    match error {
        LinkError::NoLink | LinkError::Forged => {
            let message =
                "There is no such picture here. Links have to be opened exactly as they were given.";
            Fault::new(FaultKind::PictureNotFound, message)
        }
        LinkError::Expired => {
            let message = "This link has expired. The same request, sent again, gives a new one.";
            Fault::new(FaultKind::LinkExpired, message)
        }
    }
}
