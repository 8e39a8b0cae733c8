//! Gives every request its own id, whatever id the client sent.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use uuid::{Builder, Uuid};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// `req_` and 32 hexadecimal digits; in the request's extensions and in the answer's `x-request-id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new id, put into the request's extensions.
    pub(in crate::server) fn give(request: &mut Request) -> Self {
        // From the thread's own generator: asking the system for each costs a call.
        let id = Builder::from_random_bytes(rand::random()).into_uuid();
        let mut digits = Uuid::encode_buffer();
        let id = Self(["req_", id.simple().encode_lower(&mut digits)].concat().into());
        request.extensions_mut().insert(id.clone());
        id
    }

    /// Puts the id into the answer's head.
    pub(super) fn name(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(self.as_str()) {
            response.headers_mut().insert(HEADER, value);
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
