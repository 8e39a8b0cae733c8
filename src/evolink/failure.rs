//! What a client of the gateway is told when a task failed or could not be made, or a picture not be uploaded.
//!
//! Upstream's words reach a client only where they are about its request, and cleaned; everything else gets a text of
//! the gateway's own, and upstream's goes to the log as the cause.

use std::time::Duration;

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
        error => unavailable(error.retry_after()),
    };
    with_words(fault, "create", error)
}

/// A create that was not sent, or provably not taken. `retry_after`: when it makes sense to ask again, if known.
pub fn unavailable(retry_after: Option<Duration>) -> Fault {
    let text = "The image service cannot be reached or takes no requests at the moment. Nothing was bought.";
    let fault = Fault::new(FaultKind::UpstreamUnavailable, text);
    retry_after.map_or(fault.clone(), |pause| fault.with_retry_after(pause))
}

/// Upstream's own words as the cause, for the log.
fn with_words(fault: Fault, call: &str, error: &CallError) -> Fault {
    match error {
        CallError::Refused { message, .. } => {
            fault.with_cause(format!("{call} {error}: {}", without_keys(message)))
        }
        error => fault.with_cause(format!("{call}: {error}")),
    }
}

/// A picture that could not be uploaded, after all repeating is done. Nothing is bought before its pictures are uploaded.
pub fn upload_fault(error: &CallError) -> Fault {
    let fault = match error {
        CallError::Refused { refusal: Refusal::TooLarge, .. } => {
            Fault::new(FaultKind::TooLarge, "An input image is larger than the image service takes.")
        }
        CallError::Refused { refusal: Refusal::BadRequest, message, .. } => Fault::new(
            FaultKind::InvalidImage,
            with_reason("The image service refused an input image", message),
        ),
        CallError::Refused { refusal: Refusal::Moderation, message, .. } => moderation(message),
        CallError::Refused { refusal: Refusal::Account | Refusal::Model, .. } => account(),
        error => {
            let text = "An input image could not be handed over to the image service at the moment. Nothing was bought; \
                        send the request again.";
            let fault = Fault::new(FaultKind::UpstreamUnavailable, text);
            error.retry_after().map_or(fault.clone(), |pause| fault.with_retry_after(pause))
        }
    };
    with_words(fault, "upload", error)
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
        Refusal::Account => account(),
    }
}

fn account() -> Fault {
    Fault::new(
        FaultKind::UpstreamAccount,
        "The gateway's account with the image service cannot be used; its operator has to see to it.",
    )
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
mod tests;
