//! Writes a [`Fault`] down as the HTTP answer that OpenAI's clients understand.
//!
//! The one place that turns a fault into headers and JSON. Status, type, code and whether to repeat are the fault's.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

pub use crate::openai::error_body;

use crate::fault::{Fault, FaultKind};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How a request failed, for the log and the metrics; travels in the answer's extensions.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status that the failure stands for; a client whose answer had begun before it saw another.
    pub status: u16,
    /// [`FaultKind::label`]: a closed set, fit for a metric's label.
    pub code: &'static str,
    /// The private cause, for the log only.
    pub cause: Option<String>,
}

impl Outcome {
    pub fn of(fault: &Fault) -> Self {
        let cause = fault.cause().map(str::to_owned);
        Self { status: fault.status(), code: fault.kind().label(), cause }
    }
}

/// The answer to a failed request: OpenAI's error object and the headers that steer the SDKs' retries.
pub fn fault_response(fault: &Fault) -> Response {
    let body = error_body(fault);
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, body.len().into());
    let should_retry = if fault.should_retry() { "true" } else { "false" };
    headers.insert(SHOULD_RETRY, HeaderValue::from_static(should_retry));
    if let Some(seconds) = fault.retry_after_seconds() {
        headers.insert(RETRY_AFTER, seconds.into());
        headers.insert(RETRY_AFTER_MS, seconds.saturating_mul(1000).into());
    }
    if fault.kind() == FaultKind::RequestTimeout {
        // Who was too slow with a body is not waited for any longer.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.extensions_mut().insert(Outcome::of(fault));
    *response.body_mut() = Body::from(body);
    response
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        fault_response(&self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body::Body as _;

    use super::*;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_failure_that_may_be_repeated_says_when() {
        let fault = Fault::new(FaultKind::NoSlot, "no free place").with_retry_after(Duration::from_secs(7));
        let response = fault_response(&fault);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header(&response, "x-should-retry"), Some("true"));
        assert_eq!(header(&response, "retry-after"), Some("7"));
        assert_eq!(header(&response, "retry-after-ms"), Some("7000"));
    }

    #[test]
    fn a_final_failure_forbids_the_repetition_and_names_no_time() {
        let response = fault_response(&Fault::new(FaultKind::Internal, "a bug"));
        assert_eq!(header(&response, "x-should-retry"), Some("false"));
        assert_eq!(header(&response, "retry-after"), None);
        assert_eq!(header(&response, "retry-after-ms"), None);
    }

    #[test]
    fn the_length_is_told_and_the_cause_stays_inside() {
        let fault =
            Fault::new(FaultKind::UpstreamAccount, "out of order").with_cause("key sk-123 was refused");
        let response = fault_response(&fault);
        let length = response.body().size_hint().exact().unwrap();
        assert_eq!(header(&response, "content-length"), Some(length.to_string().as_str()));
        let outcome = response.extensions().get::<Outcome>().unwrap();
        assert_eq!(outcome.code, "upstream_account_error");
        assert_eq!(outcome.cause.as_deref(), Some("key sk-123 was refused"));
        assert!(!String::from_utf8(error_body(&fault)).unwrap().contains("sk-123"));
    }
}
