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
        assert_eq!((fault.status(), fault.should_retry(), fault.retry_after_seconds()), (503, true, Some(5)));
    }
}

#[test]
fn an_unknown_outcome_is_joined_not_bought_again() {
    let down = CallError::Down { status: 500, code: "internal_error".into(), retry_after: None };
    let malformed = CallError::Malformed { status: 200, detail: "html".into() };
    for error in [CallError::Timeout, CallError::Broken("reset".into()), CallError::Open, down, malformed] {
        let fault = create_fault(&error);
        assert_eq!(
            (fault.status(), fault.code(), fault.should_retry()),
            (502, "upstream_outcome_unknown", true)
        );
    }
}

#[test]
fn a_failed_upload_bought_nothing_and_says_whose_fault_it_is() {
    let refused = |refusal| CallError::Refused {
        refusal,
        status: 400,
        code: "no_code".into(),
        message: "only image/png".into(),
    };
    let full = CallError::Down { status: 403, code: "file_quota_full".into(), retry_after: None };
    let busy = CallError::Busy { retry_after: Some(Duration::from_secs(7)) };
    let table = [
        (refused(Refusal::TooLarge), 413, "request_too_large", None),
        (refused(Refusal::BadRequest), 400, "invalid_image", None),
        (refused(Refusal::Moderation), 400, "moderation_blocked", None),
        (refused(Refusal::Account), 502, "upstream_account_error", None),
        (full, 503, "upstream_unavailable", Some(5)),
        (busy, 503, "upstream_unavailable", Some(7)),
        (CallError::Timeout, 503, "upstream_unavailable", Some(5)),
        (CallError::Connect("refused".into()), 503, "upstream_unavailable", Some(5)),
        (CallError::Missing, 503, "upstream_unavailable", Some(5)),
    ];
    for (error, status, code, pause) in table {
        let fault = upload_fault(&error);
        assert_eq!(
            (fault.status(), fault.code(), fault.retry_after_seconds()),
            (status, code, pause),
            "{error}"
        );
        assert!(fault.cause().is_some_and(|cause| cause.starts_with("upload")), "{:?}", fault.cause());
    }
    let told = upload_fault(&refused(Refusal::BadRequest));
    assert_eq!(told.message(), "The image service refused an input image: only image/png");
    assert!(!upload_fault(&refused(Refusal::Account)).message().contains("png"));
}
