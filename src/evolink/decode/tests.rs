use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::evolink::Proof;

const ID: &str = "task-unified-1757156493-imcg5zqt";

fn answer(body: impl Into<Bytes>) -> Answer {
    Answer { status: 200, pause: None, body: body.into() }
}

fn read(value: &Value) -> Task {
    task(&answer(value.to_string())).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn with(fields: &Value) -> Task {
    let mut object = json!({"id": ID, "status": "completed"});
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    read(&object)
}

#[test]
fn the_documented_create_answer_is_read_whole() {
    let task = read(&json!({
        "created": 1_757_156_493, "id": ID, "model": "gpt-image-2", "object": "image.generation.task", "progress": 0,
        "status": "pending", "task_info": {"can_cancel": true, "estimated_time": 100}, "type": "image",
        "usage": {"billing_rule": "per_call", "credits_reserved": 2.5, "user_group": "default"}
    }));
    assert_eq!(
        task,
        Task {
            id: TaskId::new(ID),
            status: TaskStatus::Pending,
            progress: Some(0),
            links: Vec::new(),
            error: None,
            estimated: Some(Duration::from_secs(100)),
            usage: TaskUsage { reserved: Some(Credits::from_micro(2_500_000)), used: None },
        }
    );
}

#[test]
fn a_task_is_found_in_every_wrapping() {
    let bare = json!({"id": ID, "status": "processing"});
    for value in [
        bare.clone(),
        json!({"task_id": ID, "status": "processing"}),
        json!({"id": "42", "task_id": ID, "status": "processing"}),
        json!({"id": 42, "task_id": ID, "status": "processing"}),
        json!({"data": bare}),
        json!({"task": bare}),
        json!({"data": {"task": bare}}),
        json!({"data": [bare]}),
        json!([bare]),
        json!({"code": 200, "message": "success", "data": bare}),
        json!({"id": ID}),
        json!({"id": ID, "status": 7}),
        json!({"id": ID, "error": null}),
    ] {
        let task = read(&value);
        assert_eq!((task.id.as_str(), task.status), (ID, TaskStatus::Processing), "{value}");
    }
}

#[test]
fn statuses_have_aliases_and_unknown_ones_are_still_processing() {
    use TaskStatus::{Cancelled, Completed, Failed, Pending, Processing};
    let table = [
        ("pending", Pending),
        ("queued", Pending),
        ("processing", Processing),
        ("running", Processing),
        ("dreaming", Processing),
        ("", Processing),
        ("completed", Completed),
        ("SUCCESS", Completed),
        ("succeeded", Completed),
        ("failed", Failed),
        ("error", Failed),
        ("cancelled", Cancelled),
        ("canceled", Cancelled),
    ];
    for (text, status) in table {
        assert_eq!(with(&json!({"status": text})).status, status, "{text}");
    }
}

#[test]
fn links_come_from_results_then_result_data_without_repetition() {
    let (a, b, c) =
        ("https://files.example/a.png", "https://files.example/b.png", "HTTP://files.example/c.png");
    let table = [
        (json!({"results": [a, b]}), vec![a, b]),
        (json!({"results": [{"url": a}, {"image_url": b}]}), vec![a, b]),
        (json!({"results": a}), vec![a]),
        (json!({"result_data": [{"image_url": a}, {"video_url": c}]}), vec![a, c]),
        (json!({"result_data": {"result_id": "x", "image_url": a}}), vec![a]),
        (json!({"results": [a], "result_data": [{"image_url": a}, {"image_url": b}]}), vec![a, b]),
        (json!({"result_data": [{"preview_url": b, "thumbnail_url": c, "file_url": a}]}), vec![a]),
        (
            json!({"results": [a, a, null, 7, [], {}, "", "data:image/png;base64,AA", "ftp://x/y", "/etc/passwd"]}),
            vec![a],
        ),
        (
            json!({"results": [format!("https://x.example/{}", "y".repeat(2_048)), "https://x.example/a b"]}),
            vec![],
        ),
        (json!({"results": null, "result_data": "none"}), vec![]),
        (json!({}), vec![]),
    ];
    for (fields, links) in table {
        assert_eq!(with(&fields).links, links, "{fields}");
    }
    let many: Vec<_> = (0..100).map(|n| format!("https://x.example/{n}")).collect();
    assert_eq!(with(&json!({"results": many})).links.len(), LINKS_MAX);
}

#[test]
fn a_failed_task_has_a_code_whatever_its_error_looks_like() {
    let table = [
        (
            json!({"error": {"code": "service_error", "message": "busy\nnow", "type": "task_error"}}),
            "service_error",
            "busy\nnow",
        ),
        (json!({"error": {"code": 500, "message": "no"}}), "500", "no"),
        (json!({"error": {"message": "no"}}), "unknown_error", "no"),
        (json!({"error": {"code": null, "msg": "no"}}), "unknown_error", "no"),
        (json!({"error": "it went wrong"}), "unknown_error", "it went wrong"),
        (
            json!({"error": "Content_Policy_Violation"}),
            "content_policy_violation",
            "Content_Policy_Violation",
        ),
        (json!({"error": null}), "unknown_error", ""),
        (json!({"error": [1]}), "unknown_error", ""),
        (json!({}), "unknown_error", ""),
        (json!({"status": "canceled"}), "request_cancelled", ""),
    ];
    for (fields, code, message) in table {
        let mut failed = json!({"status": "failed"});
        failed.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = with(&failed).error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), (code, message), "{fields}");
    }
    assert_eq!(with(&json!({"error": {"code": "x"}})).error, None, "completed");
}

#[test]
fn fields_of_the_wrong_type_count_as_absent() {
    let task = with(&json!({
        "progress": "half", "results": 7, "result_data": true, "usage": [], "billing": "none", "task_info": {"estimated_time": "soon"}
    }));
    assert_eq!((task.progress, task.links.len(), task.estimated), (None, 0, None));
    assert_eq!(task.usage, TaskUsage::default());
}

#[test]
fn progress_is_clamped() {
    for (told, percent) in
        [(json!(-5), 0), (json!(42), 42), (json!(99.9), 99), (json!(250), 100), (json!(1e300), 100)]
    {
        assert_eq!(with(&json!({"progress": told})).progress, Some(percent), "{told}");
    }
}

#[test]
fn what_a_task_cost_is_found_where_evolink_puts_it() {
    let credits = |decimal| Credits::from_decimal(decimal);
    let table = [
        (json!({"usage": {"credits_used": 1.5, "credits_reserved": 2}}), credits(2.0), credits(1.5)),
        (json!({"billing": {"charged_credits": 1.5, "reserved_credits": 2}}), credits(2.0), credits(1.5)),
        (json!({"usage": {"cost": {"credits": 1.5}}}), None, credits(1.5)),
        (json!({"usage": {"credits_used": 3}, "billing": {"charged_credits": 1}}), None, credits(3.0)),
        (json!({"usage": {"credits_used": -1, "credits_reserved": 1e300}}), None, None),
    ];
    for (fields, reserved, used) in table {
        assert_eq!(with(&fields).usage, TaskUsage { reserved, used }, "{fields}");
    }
}

#[test]
fn ids_that_could_bend_a_path_are_no_ids() {
    for id in ["", "..", ".", "a/b", "a?b", "a%2fb", "a b", "täsk", &"x".repeat(129)] {
        let error = task(&answer(json!({"id": id, "status": "pending"}).to_string())).unwrap_err();
        assert!(matches!(error, CallError::Malformed { .. }), "{id}: {error}");
    }
}

#[test]
fn a_success_without_a_task_proves_nothing() {
    for body in [
        "",
        "<html>ok</html>",
        "null",
        "[]",
        "{}",
        "{\"id\":null}",
        "{\"data\":{}}",
        "\u{feff}{}",
        "{\"id\":\"task-1\"",
    ] {
        let error = task(&answer(body)).unwrap_err();
        assert!(matches!(error, CallError::Malformed { status: 200, .. }), "{body}: {error}");
        assert_eq!(error.proof(), Proof::Unknown);
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(task(&answer(deep)), Err(CallError::Malformed { .. })));
}

#[test]
fn an_error_with_an_id_but_no_status_is_an_error() {
    let refused = json!({"id": "req-1", "error": {"code": "insufficient_quota", "message": "no"}});
    let error = task(&answer(refused.to_string())).unwrap_err();
    assert!(matches!(error, CallError::Refused { .. }), "{error}");
}

#[test]
fn a_batch_gives_the_tasks_it_has_and_skips_the_rest() {
    let entries = json!([
        {"id": "task-a", "status": "completed", "results": ["https://x.example/1"]},
        {"id": "task-b", "error": "task not found"},
        {"id": "task-c", "status": "failed", "error": {"code": "service_error", "message": ""}},
        null, 7, {}, {"status": "completed"},
    ]);
    for body in [json!({"data": entries}), json!({"tasks": entries}), entries.clone()] {
        let tasks = batch(&answer(body.to_string())).unwrap();
        let read: Vec<_> = tasks.iter().map(|task| (task.id.as_str(), task.status)).collect();
        assert_eq!(read, [("task-a", TaskStatus::Completed), ("task-c", TaskStatus::Failed)]);
    }
    assert_eq!(batch(&answer(r#"{"data":[]}"#)), Ok(Vec::new()));
    assert!(matches!(batch(&answer(r#"{"data":null}"#)), Err(CallError::Malformed { .. })));
    assert!(matches!(batch(&answer(r#"{"error":{"code":429}}"#)), Err(CallError::Busy { .. })));
}

#[test]
fn credits_are_the_lesser_of_account_and_key() {
    let table = [
        (
            json!({"user": {"remaining_credits": 10.5}, "token": {"remaining_credits": 3, "unlimited_credits": false}}),
            3.0,
        ),
        (
            json!({"user": {"remaining_credits": 10.5}, "token": {"remaining_credits": 0, "unlimited_credits": true}}),
            10.5,
        ),
        (json!({"user": {"remaining_credits": -2}}), 0.0),
        (json!({"user": {"remaining_credits": 1e200}}), CREDITS_MAX),
    ];
    for (data, left) in table {
        let credit =
            credits(&answer(json!({"success": true, "message": "", "data": data}).to_string())).unwrap();
        assert_eq!(Some(credit.remaining), Credits::from_decimal(left), "{data}");
    }
    let data =
        json!({"user": {"remaining_credits": 1, "used_credits": 7.25}, "token": {"used_credits": "7"}});
    let credit = credits(&answer(json!({"data": data}).to_string())).unwrap();
    assert_eq!((credit.used_by_account, credit.used_by_key), (Credits::from_decimal(7.25), None));
    let failed =
        json!({"success": false, "message": "no such user", "data": {"user": {"remaining_credits": 5}}});
    assert!(credits(&answer(failed.to_string())).is_err());
    assert!(matches!(credits(&answer(r#"{"success":true,"data":{}}"#)), Err(CallError::Malformed { .. })));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z-]{0,12}".prop_map(Value::from),
        Just(Value::from(ID)),
        Just(Value::from("completed")),
        Just(Value::from("https://x.example/1.png")),
    ];
    let name = prop::sample::select(vec![
        "id",
        "task_id",
        "status",
        "progress",
        "results",
        "result_data",
        "image_url",
        "url",
        "error",
        "code",
        "message",
        "type",
        "data",
        "task",
        "usage",
        "credits_used",
        "cost",
        "credits",
        "billing",
        "task_info",
        "estimated_time",
        "success",
        "user",
        "token",
        "remaining_credits",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_breaks_the_reading_and_what_is_read_is_bounded(value in any_json(), status in 100..600_u16) {
        let answer = Answer { status, pause: None, body: value.to_string().into() };
        if let Ok(task) = task(&answer) {
            prop_assert!(is_id(task.id.as_str()) && task.links.iter().all(|link| is_link(link)));
            let may_have_error = matches!(task.status, TaskStatus::Failed | TaskStatus::Cancelled);
            prop_assert_eq!(task.error.is_some(), may_have_error);
            prop_assert!(task.progress.is_none_or(|percent| percent <= 100));
        }
        let _ = (batch(&answer), credits(&answer));
    }

    #[test]
    fn no_bytes_break_the_reading(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let answer = answer(body);
        let _ = (task(&answer), batch(&answer), credits(&answer));
    }
}
