//! Refusals of a create: the faults that make no task, and the empty account.

use http::StatusCode;
use http::header::LOCATION;
use serde_json::json;

use crate::simulator::answer::{Answer, json, kind_of, page, refusal, whole, with_header, with_retry_after};
use crate::simulator::faults::{Create, Details};
use crate::simulator::order::Order;

/// The answer of a fault that makes no task.
pub(super) fn without_task(fault: Create, details: &Details, order: &Order) -> Option<Answer> {
    let status = |usual| details.status.unwrap_or(usual);
    let answer = match fault {
        Create::Status(status) => failure(status, details, order),
        Create::Html => page(status(StatusCode::BAD_GATEWAY)),
        Create::OkError => {
            refusal(StatusCode::OK, details.code.as_deref().unwrap_or("service_error"), "Service error")
        }
        Create::Flat => {
            let code = details.code.as_deref().unwrap_or("invalid_request");
            json(
                status(StatusCode::BAD_REQUEST),
                &json!({"code": code, "message": "Invalid request parameters"}),
            )
        }
        Create::IntCode => {
            let status = status(StatusCode::SERVICE_UNAVAILABLE);
            let error =
                json!({"code": status.as_u16(), "message": "upstream error", "type": kind_of(status)});
            json(status, &json!({"error": error}))
        }
        Create::Redirect => with_header(
            whole(StatusCode::FOUND, "text/plain", ""),
            LOCATION,
            "http://169.254.169.254/latest/meta-data/",
        ),
        _ => return None,
    };
    Some(with_retry_after(answer, details.retry_after))
}

/// An HTTP error with the body that Evolink gives to its status.
fn failure(status: StatusCode, details: &Details, order: &Order) -> Answer {
    let model = &order.model;
    let (code, message) = match status.as_u16() {
        400 => ("invalid_request", "Invalid request parameters".to_owned()),
        401 => ("unauthorized", "Invalid or expired token".to_owned()),
        402 => ("insufficient_quota", "Insufficient quota. Please top up your account.".to_owned()),
        403 => ("model_access_denied", format!("Token does not have access to model: {model}")),
        404 => ("model_not_found", format!("The model '{model}' does not exist")),
        409 => ("idempotency_conflict", "Idempotency-Key was used for another request".to_owned()),
        429 => ("rate_limit_exceeded", "Too many requests, please try again later".to_owned()),
        502 => ("upstream_error", "Upstream error".to_owned()),
        503 => ("service_unavailable", "The service is unavailable, retry after 30 seconds".to_owned()),
        _ => ("internal_error", "Internal server error".to_owned()),
    };
    let code = details.code.as_deref().unwrap_or(code);
    if status == StatusCode::PAYMENT_REQUIRED {
        return poor(code, &message, 1.25, 3.23);
    }
    refusal(status, code, &message)
}

/// 402 with the account's figures, which no client of a gateway may ever see.
pub(super) fn poor(code: &str, message: &str, left: f64, needed: f64) -> Answer {
    let error = json!({
        "code": code, "message": message, "type": "insufficient_quota", "key_name": "simulator-key",
        "account_balance_credits": left, "estimated_credits": needed, "limit_scope": "account",
    });
    json(StatusCode::PAYMENT_REQUIRED, &json!({"error": error}))
}
