use serde_json::{Value, json};

use super::super::script::{Reply, Script};
use super::super::tests::client;
use super::*;
use crate::evolink::{TaskId, Upstream as _};

fn entry(number: usize, created: impl Into<Value>) -> Value {
    let created: Value = created.into();
    json!({"id": format!("task-unified-1-{number:08}"), "model": "gpt-image-2", "created_at": created})
}

/// Entries from `first` on, each a second older than the one before.
fn page(first: usize, count: usize, total: usize) -> Reply {
    let of = |number: usize| entry(number, 1_000_000 - i64::try_from(number).unwrap());
    let data: Vec<_> = (first..first + count).map(of).collect();
    Reply::json(&json!({"data": data, "total": total, "page_size": 50}))
}

#[tokio::test]
async fn pages_are_read_back_to_the_time_that_was_asked_for() {
    // The second page begins with the last of the first: a task was made in between.
    let script = Script::start([page(0, 50, 200), page(49, 50, 201), page(99, 50, 201)]).await;
    let list = client(&script.url).tasks_since("gpt image/2", 1_000_000 - 60).await.unwrap();
    assert!(list.reaches_back);
    assert_eq!(list.tasks.len(), 61);
    assert_eq!(list.tasks[60].id, TaskId::new("task-unified-1-00000060"));
    let lines: Vec<_> = script.seen().into_iter().map(|seen| seen.line).collect();
    let line = |page| format!("GET /v1/tasks?model=gpt+image%2F2&page={page}&page_size=50 HTTP/1.1");
    assert_eq!(lines, [line(1), line(2)]);
}

#[tokio::test]
async fn a_list_that_ends_reaches_back_and_one_without_end_does_not() {
    for last in [page(50, 3, 53), Reply::json(&json!({"data": [], "page": 2}))] {
        let script = Script::start([page(0, 50, 53), last]).await;
        assert!(client(&script.url).tasks_since("gpt-image-2", 0).await.unwrap().reaches_back);
        assert_eq!(script.seen().len(), 2);
    }
    let script = Script::start([page(0, 50, 1_000_000)]).await;
    let list = client(&script.url).tasks_since("gpt-image-2", 0).await.unwrap();
    assert!(!list.reaches_back && script.seen().len() == PAGES_MAX);
}

#[tokio::test]
async fn times_come_in_seconds_milliseconds_or_as_text_and_entries_without_one_are_left_out() {
    let odd = json!([
        entry(1, 1_800_000_000),
        entry(2, 1_800_000_000_500_i64),
        entry(3, "2027-01-15T08:00:00Z"),
        entry(4, Value::Null),
        {"model": "gpt-image-2", "created_at": 1_800_000_000},
        "nonsense",
    ]);
    let script = Script::start([Reply::json(&json!({"data": odd}))]).await;
    let list = client(&script.url).tasks_since("gpt-image-2", 0).await.unwrap();
    assert_eq!(list.tasks.iter().map(|task| task.created).collect::<Vec<_>>(), [1_800_000_000; 3]);
}

#[tokio::test]
async fn an_evolink_without_a_list_says_so() {
    let wrong = json!({"error": {"message": "Invalid URL (GET /v1/tasks)", "type": "invalid_request_error"}});
    let script = Script::start([Reply::whole(404, &[], &wrong.to_string())]).await;
    assert_eq!(client(&script.url).tasks_since("gpt-image-2", 0).await, Err(CallError::Missing));
}
