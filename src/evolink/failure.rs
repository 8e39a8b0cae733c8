//! What a client of the gateway is told when a task failed or could not be made.
//!
//! Upstream's words reach a client only where they are about its request, and cleaned; everything else gets a text of
//! the gateway's own, and upstream's goes to the log as the cause.

use super::clean::{client_message, without_keys};
use super::problem::MODERATION_CODES;
use super::{CallError, Proof, Refusal, TaskError};
use crate::fault::{Fault, FaultKind};

/// A code of a failed task: whether the same request may succeed when bought again, and what the client is told.
struct Row {
    code: &'static str,
    retryable: bool,
    message: &'static str,
}

const fn row(code: &'static str, retryable: bool, message: &'static str) -> Row {
    Row { code, retryable, message }
}

const UNKNOWN: Row =
    row("unknown_error", true, "The image could not be made: upstream failed without a known reason.");

/// The codes of Evolink's error page and of its own clients, with their column "retryable". Codes about the request
/// itself have kinds of their own in [`task_fault`].
const ROWS: [Row; 12] = [
    row(
        "generation_failed_no_content",
        true,
        "The model made no image; a clearer or different prompt may help.",
    ),
    row("service_error", true, "The image service failed while making the image."),
    row(
        "generation_timeout",
        true,
        "The image service took too long to make the image; a smaller size may help.",
    ),
    row("resource_exhausted", true, "The image service has no capacity for this model at the moment."),
    row(
        "quota_exceeded",
        true,
        "The image service refused the image because too many are being made at the moment.",
    ),
    row("service_unavailable", true, "The image service is not available at the moment."),
    row("model_unavailable", true, "This model is not available at the moment."),
    row("upstream_error", true, "The image service's provider failed while making the image."),
    row("rate_limited", true, "The image service refused the image because requests came too fast."),
    row("request_cancelled", false, "The image was cancelled upstream before it was made."),
    row("resource_not_found", false, "The image service no longer knows this image."),
    UNKNOWN,
];

/// About the pictures of the request; of failed tasks and of refused creates.
const IMAGE_CODES: [&str; 2] = ["image_processing_error", "image_dimension_mismatch"];

fn find(code: &str) -> Row {
    ROWS.into_iter().find(|row| row.code == code).unwrap_or(UNKNOWN)
}

/// Whether the same task, bought again, may succeed where one failed with `code`. A code nobody knows counts as
/// `unknown_error`.
pub fn retryable(code: &str) -> bool {
    !is_about_the_request(code) && find(code).retryable
}

fn is_about_the_request(code: &str) -> bool {
    MODERATION_CODES.contains(&code) || code == "invalid_parameters" || IMAGE_CODES.contains(&code)
}

/// A task that failed for good.
pub fn task_fault(error: &TaskError) -> Fault {
    let cause = format!("task failed with {}: {}", error.code, without_keys(&error.message));
    let fault = match error.code.as_str() {
        code if MODERATION_CODES.contains(&code) => moderation(&error.message),
        "invalid_parameters" => {
            let text = "The image service refused the request's parameters";
            Fault::new(FaultKind::InvalidValue, with_reason(text, &error.message))
        }
        "image_processing_error" => {
            let text = "An input image could not be read; it may be unreachable, damaged or of an unsupported format";
            Fault::new(FaultKind::InvalidImage, with_reason(text, &error.message))
        }
        "image_dimension_mismatch" => {
            let text = "An input image's dimensions do not fit the request";
            Fault::new(FaultKind::InvalidImage, with_reason(text, &error.message))
        }
        code => {
            let row = find(code);
            Fault::new(FaultKind::TaskFailed, row.message).with_code(row.code)
        }
    };
    fault.with_cause(cause)
}

/// A create that did not bring a task, after all repeating is done.
pub fn create_fault(error: &CallError) -> Fault {
    let fault = match error {
        CallError::Refused { refusal, code, message, .. } => refusal_fault(*refusal, code, message),
        error if error.proof() == Proof::Unknown => Fault::new(
            FaultKind::OutcomeUnknown,
            "The image service did not say whether it took the request. The same request sent again will wait for the \
             same image and not buy another.",
        ),
        error => {
            let text =
                "The image service cannot be reached or takes no requests at the moment. Nothing was bought.";
            let fault = Fault::new(FaultKind::UpstreamUnavailable, text);
            error.retry_after().map_or(fault.clone(), |pause| fault.with_retry_after(pause))
        }
    };
    match error {
        CallError::Refused { message, .. } => {
            fault.with_cause(format!("create {error}: {}", without_keys(message)))
        }
        error => fault.with_cause(format!("create: {error}")),
    }
}

fn refusal_fault(refusal: Refusal, code: &str, message: &str) -> Fault {
    match refusal {
        // one key for two bodies can only be the gateway's own mistake
        Refusal::BadRequest if code == "idempotency_conflict" => {
            Fault::new(FaultKind::Internal, "The gateway made a mistake while ordering the image.")
        }
        Refusal::BadRequest if IMAGE_CODES.contains(&code) => {
            Fault::new(FaultKind::InvalidImage, with_reason("An input image cannot be used", message))
        }
        Refusal::BadRequest => {
            Fault::new(FaultKind::InvalidValue, with_reason("The image service refused the request", message))
        }
        Refusal::Moderation => moderation(message),
        Refusal::TooLarge => {
            Fault::new(FaultKind::TooLarge, "The request is larger than the image service takes.")
        }
        Refusal::Model => {
            Fault::new(FaultKind::ModelNotFound, "The image service does not offer this model here.")
                .with_param("model")
        }
        Refusal::Account => Fault::new(
            FaultKind::UpstreamAccount,
            "The gateway's account with the image service cannot be used; its operator has to see to it.",
        ),
    }
}

fn moderation(message: &str) -> Fault {
    Fault::new(FaultKind::Moderation, with_reason("The request was rejected by the safety filter", message))
}

/// `text: reason`, or just `text.` where nothing of the reason is fit to be shown.
fn with_reason(text: &str, raw: &str) -> String {
    let reason = client_message(raw);
    if reason.is_empty() { format!("{text}.") } else { format!("{text}: {reason}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn task(code: &str, message: &str) -> Fault {
        task_fault(&TaskError { code: code.into(), message: message.into() })
    }

    fn refused(refusal: Refusal, code: &str, message: &str) -> Fault {
        create_fault(&CallError::Refused { refusal, status: 400, code: code.into(), message: message.into() })
    }

    #[test]
    fn every_documented_task_code_has_its_answer() {
        let table = [
            ("content_policy_violation", 400, "moderation_blocked", false),
            ("sensitive_content", 400, "moderation_blocked", false),
            ("invalid_parameters", 400, "invalid_value", false),
            ("image_processing_error", 400, "invalid_image", false),
            ("image_dimension_mismatch", 400, "invalid_image", false),
            ("request_cancelled", 502, "request_cancelled", false),
            ("generation_failed_no_content", 502, "generation_failed_no_content", true),
            ("service_error", 502, "service_error", true),
            ("generation_timeout", 502, "generation_timeout", true),
            ("resource_exhausted", 502, "resource_exhausted", true),
            ("quota_exceeded", 502, "quota_exceeded", true),
            ("service_unavailable", 502, "service_unavailable", true),
            ("resource_not_found", 502, "resource_not_found", false),
            ("unknown_error", 502, "unknown_error", true),
            ("model_unavailable", 502, "model_unavailable", true),
            ("upstream_error", 502, "upstream_error", true),
            ("rate_limited", 502, "rate_limited", true),
            ("brand_new_code", 502, "unknown_error", true),
            ("503", 502, "unknown_error", true),
        ];
        for (code, status, told, again) in table {
            let fault = task(code, "channel #7 at https://internal.example said no");
            assert_eq!((fault.status(), fault.code(), retryable(code)), (status, told, again), "{code}");
            assert!(!fault.should_retry() && fault.param().is_none(), "{code}");
            assert!(!fault.message().contains("internal.example"), "{}", fault.message());
            assert!(
                fault.cause().is_some_and(|cause| cause.contains(code) && cause.contains("internal.example"))
            );
        }
    }

    #[test]
    fn a_bad_parameter_is_told_in_upstreams_words_cleaned() {
        let fault = task("invalid_parameters", "prompt exceeds 32000 characters (request id: 77)");
        assert_eq!(
            fault.message(),
            "The image service refused the request's parameters: prompt exceeds 32000 characters"
        );
        let bare = task("invalid_parameters", "");
        assert_eq!(bare.message(), "The image service refused the request's parameters.");
    }

    #[test]
    fn a_refused_create_says_whose_fault_it_is() {
        let table = [
            (Refusal::BadRequest, "invalid_request", 400, "invalid_value"),
            (Refusal::BadRequest, "idempotency_conflict", 500, "internal_error"),
            (Refusal::BadRequest, "image_processing_error", 400, "invalid_image"),
            (Refusal::BadRequest, "image_dimension_mismatch", 400, "invalid_image"),
            (Refusal::Moderation, "content_filter", 400, "moderation_blocked"),
            (Refusal::TooLarge, "no_code", 413, "request_too_large"),
            (Refusal::Account, "model_access_denied", 502, "upstream_account_error"),
            (Refusal::Account, "insufficient_quota", 502, "upstream_account_error"),
        ];
        for (refusal, code, status, told) in table {
            let fault = refused(refusal, code, "no");
            assert_eq!((fault.status(), fault.code(), fault.should_retry()), (status, told, false), "{code}");
        }
        assert_eq!(refused(Refusal::Model, "model_not_found", "no").param(), Some("model"));
    }

    #[test]
    fn nothing_of_the_account_reaches_a_client() {
        let fault = refused(Refusal::Account, "insufficient_quota", "key prod-main has 1.02 credits left");
        let leaks = ["prod-main", "1.02", "insufficient"];
        assert!(!leaks.iter().any(|leak| fault.message().contains(leak)), "{}", fault.message());
        assert!(fault.cause().is_some_and(|cause| cause.contains("prod-main")));
    }

    #[test]
    fn a_key_that_upstream_echoes_reaches_neither_client_nor_log() {
        let message = "Invalid key sk-live-1234, (Bearer SK-live-1234) for prod";
        for fault in [task("boom", message), refused(Refusal::BadRequest, "invalid_request", message)] {
            let cause = fault.cause().unwrap().to_lowercase();
            assert!(!cause.contains("sk-live") && cause.contains("for prod"), "{cause}");
            assert!(!fault.message().to_lowercase().contains("sk-live"), "{}", fault.message());
        }
    }

    #[test]
    fn what_was_surely_not_bought_may_be_repeated_after_upstreams_pause() {
        let busy = create_fault(&CallError::Busy { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(
            (busy.status(), busy.code(), busy.retry_after_seconds()),
            (503, "upstream_unavailable", Some(7))
        );
        for error in [CallError::Connect("refused".into()), CallError::Missing] {
            let fault = create_fault(&error);
            assert_eq!(
                (fault.status(), fault.should_retry(), fault.retry_after_seconds()),
                (503, true, Some(5))
            );
        }
    }

    #[test]
    fn an_unknown_outcome_is_joined_not_bought_again() {
        let down = CallError::Down { status: 500, code: "internal_error".into(), retry_after: None };
        let malformed = CallError::Malformed { status: 200, detail: "html".into() };
        for error in [CallError::Timeout, CallError::Broken("reset".into()), CallError::Open, down, malformed]
        {
            let fault = create_fault(&error);
            assert_eq!(
                (fault.status(), fault.code(), fault.should_retry()),
                (502, "upstream_outcome_unknown", true)
            );
        }
    }
}
