//! Which web pages may call the API, and which headers they may read.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser remembers a preflight's answer.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::OPTIONS];

/// The answer's headers that mean something to a client.
const EXPOSED: [HeaderName; 25] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-gateway-generation-id"),
    HeaderName::from_static("x-gateway-credits"),
    HeaderName::from_static("x-gateway-ignored"),
    HeaderName::from_static("x-gateway-partial"),
    HeaderName::from_static("x-evolink-task-ids"),
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
    HeaderName::from_static("x-ratelimit-limit-images"),
    HeaderName::from_static("x-ratelimit-remaining-images"),
    HeaderName::from_static("x-ratelimit-reset-images"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("retry-after"),
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("age"),
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("location"),
    HeaderName::from_static("etag"),
    HeaderName::from_static("accept-ranges"),
    HeaderName::from_static("content-range"),
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("allow"),
];

/// `origins` is `["*"]` or a list such as `["https://app.example.com"]`; what is no header value allows nobody.
/// Credentials (cookies) are never allowed: keys travel in headers.
pub(super) fn layer(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(METHODS)
        .allow_headers(AllowHeaders::mirror_request()) // `*` would not cover `authorization`.
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_MAX_AGE)
}
