//! GET /openapi.json: the API's description, for anyone.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::openai::openapi_document;

/// Written once: it does not change while the program runs.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| openapi_document(env!("CARGO_PKG_VERSION")).to_string().into());

pub async fn document() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, DOCUMENT.clone()).into_response()
}
