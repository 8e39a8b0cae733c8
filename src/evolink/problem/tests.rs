use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The error in few words: `refused:Account:402:insufficient_quota`, `busy`, …
fn brief(error: &CallError) -> String {
    match error {
        CallError::Refused { refusal, status, code, .. } => format!("refused:{refusal:?}:{status}:{code}"),
        CallError::Busy { .. } => "busy".into(),
        CallError::Down { status, code, .. } => format!("down:{status}:{code}"),
        CallError::Open => "open".into(),
        CallError::Missing => "missing".into(),
        CallError::TaskNotFound => "task".into(),
        CallError::Malformed { .. } => "malformed".into(),
        other => format!("{other:?}"),
    }
}

fn enveloped(status: u16, code: &str, kind: &str) -> String {
    let body = json!({"error": {"code": code, "message": "text", "type": kind}}).to_string();
    brief(&of_answer(status, None, body.as_bytes()))
}

#[test]
fn every_documented_code_means_what_the_page_says() {
    let table = [
        (400, "invalid_request", "invalid_request_error", "refused:BadRequest:400:invalid_request"),
        (400, "content_policy_violation", "", "refused:Moderation:400:content_policy_violation"),
        (422, "content_filter", "", "refused:Moderation:422:content_filter"),
        (403, "sensitive_content", "", "refused:Moderation:403:sensitive_content"),
        (500, "moderation_blocked", "api_error", "refused:Moderation:500:moderation_blocked"),
        (429, "input_moderation_failed", "", "refused:Moderation:429:input_moderation_failed"),
        (401, "unauthorized", "authentication_error", "refused:Account:401:unauthorized"),
        (402, "insufficient_quota", "insufficient_quota", "refused:Account:402:insufficient_quota"),
        (402, "insufficient_user_quota", "insufficient_quota", "refused:Account:402:insufficient_user_quota"),
        (402, "quota_not_enough", "insufficient_quota", "refused:Account:402:quota_not_enough"),
        (402, "account_balance_insufficient", "", "refused:Account:402:account_balance_insufficient"),
        (402, "insufficient_token_quota", "", "refused:Account:402:insufficient_token_quota"),
        (402, "key_quota_exhausted", "", "refused:Account:402:key_quota_exhausted"),
        (402, "token_daily_quota_exceeded", "", "refused:Account:402:token_daily_quota_exceeded"),
        (402, "key_daily_quota_exhausted", "", "refused:Account:402:key_daily_quota_exhausted"),
        (402, "quota_exceeded", "insufficient_quota", "refused:Account:402:quota_exceeded"),
        (402, "never_seen", "", "refused:Account:402:never_seen"),
        (403, "model_access_denied", "invalid_request_error", "refused:Account:403:model_access_denied"),
        (403, "key_model_not_allowed", "", "refused:Account:403:key_model_not_allowed"),
        (403, "permission_denied", "", "refused:Account:403:permission_denied"),
        (403, "key_disabled", "", "refused:Account:403:key_disabled"),
        (403, "key_expired", "", "refused:Account:403:key_expired"),
        (403, "user_disabled", "", "refused:Account:403:user_disabled"),
        (404, "model_not_found", "", "refused:Model:404:model_not_found"),
        (404, "task_not_found", "invalid_request_error", "task"),
        (404, "resource_not_found", "", "task"),
        (400, "invalid_task_id", "invalid_request_error", "task"),
        (404, "", "invalid_request_error", "missing"),
        (405, "", "", "missing"),
        (413, "", "", "refused:TooLarge:413:no_code"),
        (429, "rate_limit_exceeded", "rate_limit_error", "busy"),
        (429, "quota_exceeded", "", "busy"),
        (429, "insufficient_quota", "", "refused:Account:429:insufficient_quota"),
        (500, "internal_error", "api_error", "down:500:internal_error"),
        (502, "upstream_error", "", "down:502:upstream_error"),
        (503, "service_unavailable", "", "down:503:service_unavailable"),
        (503, "no_available_channel", "", "down:503:no_available_channel"),
        (503, "channel_selection_failed", "", "down:503:channel_selection_failed"),
        (503, "model_unavailable", "", "down:503:model_unavailable"),
        (524, "", "", "down:524:no_code"),
        (409, "idempotency_conflict", "", "refused:BadRequest:409:idempotency_conflict"),
        (400, "idempotency_conflict", "", "refused:BadRequest:400:idempotency_conflict"),
        (409, "paid_outcome_unknown", "", "open"),
        (503, "paid_outcome_unknown", "", "open"),
        (409, "never_seen", "", "open"),
        (418, "never_seen", "", "refused:BadRequest:418:never_seen"),
        (302, "", "", "malformed"),
    ];
    for (status, code, kind, means) in table {
        assert_eq!(enveloped(status, code, kind), means, "{status} {code}");
    }
}

#[test]
fn the_code_is_found_in_every_form_of_an_error() {
    let quota = "refused:Account:402:insufficient_quota";
    let table = [
        (402, json!({"error": {"code": 402, "message": "no", "type": "insufficient_quota"}}), quota),
        (402, json!({"error": {"code": "402", "message": "no", "type": "insufficient_quota"}}), quota),
        (402, json!({"code": "insufficient_quota", "message": "no"}), quota),
        (402, json!({"error": "insufficient_quota", "error_description": "no"}), quota),
        (402, json!({"error": {"code": "INSUFFICIENT_QUOTA", "message": 7}}), quota),
        (429, json!({"success": false, "code": 429, "msg": "slow down"}), "busy"),
        (500, json!({"error": "something broke badly"}), "down:500:no_code"),
        (500, json!(["odd"]), "down:500:no_code"),
        (401, json!(null), "refused:Account:401:no_code"),
    ];
    for (status, body, means) in table {
        assert_eq!(brief(&of_answer(status, None, body.to_string().as_bytes())), means, "{body}");
    }
    let page = b"<html><body>502 Bad Gateway</body></html>";
    assert_eq!(brief(&of_answer(502, None, page)), "down:502:no_code");
    assert_eq!(brief(&of_answer(404, None, page)), "missing");
    assert_eq!(brief(&of_answer(400, None, b"\xff\xfe")), "refused:BadRequest:400:no_code");
}

#[test]
fn the_message_is_kept_for_the_one_who_logs_or_cleans_it() {
    let body =
        json!({"error": {"code": "invalid_request", "message": "size is wrong (request id: 1)"}}).to_string();
    let CallError::Refused { message, .. } = of_answer(400, None, body.as_bytes()) else {
        panic!("not refused")
    };
    assert_eq!(message, "size is wrong (request id: 1)");
}

#[test]
fn an_error_inside_a_success_is_that_error() {
    let table = [
        (
            json!({"error": {"code": "insufficient_quota", "message": "no"}}),
            "refused:Account:200:insufficient_quota",
        ),
        (json!({"error": {"code": 429, "message": "slow down"}}), "busy"),
        (json!({"error": {"code": "rate_limit_exceeded"}}), "busy"),
        (
            json!({"error": {"code": "invalid_request", "message": "no"}}),
            "refused:BadRequest:400:invalid_request",
        ),
        (json!({"error": {"type": "api_error", "message": "no"}}), "down:500:api_error"),
        (json!({"code": "service_unavailable", "message": "later"}), "down:503:service_unavailable"),
        (json!({"success": false, "code": 503, "msg": "later"}), "down:503:no_code"),
        (json!({"success": false, "msg": "no reason"}), "malformed"),
        (json!({"error": "who knows"}), "malformed"),
        (json!({"error": {"code": "paid_outcome_unknown"}}), "open"),
    ];
    for (body, means) in table {
        assert_eq!(inside(200, None, &body).as_ref().map(brief).as_deref(), Some(means), "{body}");
    }
}

#[test]
fn a_success_is_not_taken_for_an_error() {
    for body in [
        json!({"code": 200, "message": "success", "data": {}}),
        json!({"code": "success", "message": "", "data": {}}),
        json!({"success": true, "message": "ok", "data": {}}),
        json!({"id": "task-unified-1", "error": null}),
        json!({"error": {}}),
        json!({"error": ""}),
        json!([]),
    ] {
        assert_eq!(inside(200, None, &body), None, "{body}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_by_upstreams_own_clock() {
    let table = [
        ("7", Some(7)),
        (" 0 ", Some(0)),
        ("86400", Some(60)),
        ("Sun, 06 Nov 1994 08:49:50 GMT", Some(13)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("Mon, 07 Nov 1994 08:00:00 GMT", Some(60)),
        ("-3", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ];
    for (text, seconds) in table {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text}");
        headers.remove(DATE);
        let undated = seconds.filter(|_| !text.contains("GMT"));
        assert_eq!(retry_after(&headers), undated.map(Duration::from_secs), "{text}, no Date");
    }
}

#[test]
fn the_pause_reaches_the_error() {
    let pause = Some(Duration::from_secs(9));
    assert_eq!(of_answer(429, pause, b"").retry_after(), pause);
    assert_eq!(of_answer(503, pause, b"{}").retry_after(), pause);
}

proptest! {
    #[test]
    fn no_bytes_whatever_break_the_table(status in 100..1000_u16, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = of_answer(status, None, &body);
    }

    #[test]
    fn no_code_or_type_whatever_makes_a_refusal_of_a_success(code in "[a-z]{1,12}x", text in "\\PC{0,20}") {
        let error = inside(200, None, &json!({"error": {"code": code, "message": text}}));
        let unknown = matches!(error, Some(CallError::Malformed { status: 200, .. }));
        prop_assert!(unknown, "{error:?}");
    }
}
