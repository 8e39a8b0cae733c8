//! Single looks, batches, the list, cancelling, callbacks.

use super::*;

#[tokio::test]
async fn the_ledger_knows_when_a_task_ended_and_when_it_was_noticed() {
    let simulator = simulator(Duration::from_millis(40)).await;
    let id = made(&simulator, "a cat").await;
    let mut looks = 1;
    while look(&simulator, &id).await.1["status"] != "completed" {
        looks += 1;
    }
    let task = simulator.ledger().tasks.remove(0);
    assert!((task.ends_ms - task.created_ms - 40.0).abs() < 0.001);
    assert!(task.noticed_ms.unwrap() >= task.ends_ms);
    assert_eq!((task.looks, task.looks_after_end), (looks, 1));
}

#[tokio::test]
async fn a_batch_has_the_callers_tasks_only_and_counts_as_one_call() {
    let simulator = simulator(Duration::ZERO).await;
    let (first, second) = (made(&simulator, "a").await, made(&simulator, "b").await);
    let ids = json!({"task_ids": [first, second, "task-unified-1-unknown0"]});
    let (status, batch) = call(&simulator, Method::POST, "/v1/tasks/batch", &ids).await;
    let found: Vec<&str> =
        batch["data"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!((status, found), (200, vec![first.as_str(), second.as_str()]));
    let other = [("authorization", "Bearer sk-other")];
    let foreign = ask(&simulator, Method::POST, "/v1/tasks/batch", &other, &ids.to_string()).await.unwrap();
    assert_eq!(told(&foreign).1, json!({"data": []}));
    let foreign = ask(&simulator, Method::GET, &format!("/v1/tasks/{first}"), &other, "").await.unwrap();
    assert_eq!(told(&foreign).1["error"]["code"], "task_not_found");
    let totals = simulator.ledger().totals;
    assert_eq!((totals.batch_calls, totals.looks, totals.calls_per_second_max), (2, 2, 3));
}

#[tokio::test]
async fn batch_and_list_can_be_missing() {
    let simulator = with(Options { batch: false, list: false, ..Options::default() }).await;
    let (status, error) =
        call(&simulator, Method::POST, "/v1/tasks/batch", &json!({"task_ids": ["x"]})).await;
    assert_eq!((status, &error["error"]["message"]), (404, &json!("Invalid URL (POST /v1/tasks/batch)")));
    assert_eq!(call(&simulator, Method::GET, "/v1/tasks", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn the_list_is_newest_first_by_status_and_without_links() {
    let simulator = simulator(Duration::ZERO).await;
    made(&simulator, "a").await;
    let running = made(&simulator, "b [latency:60s]").await;
    let (_, all) = call(&simulator, Method::GET, "/v1/tasks?page_size=1", &Value::Null).await;
    assert_eq!((&all["total"], &all["data"][0]["id"]), (&json!(2), &json!(running)));
    let (_, done) = call(&simulator, Method::GET, "/v1/tasks?status=completed", &Value::Null).await;
    assert_eq!((&done["total"], &done["data"][0]["has_results"]), (&json!(1), &json!(true)));
    assert!(done["data"][0].get("results").is_none());
}

#[tokio::test]
async fn a_running_task_can_be_cancelled_once_and_costs_nothing() {
    let simulator = simulator(Duration::from_mins(1)).await;
    let id = made(&simulator, "a").await;
    let path = format!("/v1/tasks/{id}");
    let (status, cancelled) = call(&simulator, Method::DELETE, &path, &Value::Null).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    assert_eq!(call(&simulator, Method::DELETE, &path, &Value::Null).await.0, 400);
    assert_eq!(look(&simulator, &id).await.1["status"], "cancelled");
    let task = simulator.ledger().tasks.remove(0);
    assert_eq!((task.credits_charged, task.credits_refunded), (0.0, task.credits_reserved));
}

#[tokio::test]
async fn ids_and_tasks_that_do_not_exist_have_their_own_errors() {
    let simulator = simulator(Duration::ZERO).await;
    let (status, error) = look(&simulator, "gen_1").await;
    assert_eq!((status, &error["error"]["param"]), (400, &json!("task_id")));
    let (status, error) = look(&simulator, "task-unified-1-00000000").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("task_not_found")));
}

#[tokio::test]
async fn a_callback_brings_the_tasks_json_and_is_tried_again() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let simulator = simulator(Duration::ZERO).await;
    let body = json!({"model": "gpt-image-2", "prompt": "a cat", "callback_url": url});
    let (_, task) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
    let mut heard = Vec::new();
    for answer in ["HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"] {
        let (stream, _) = receiver.accept().await.unwrap();
        heard = hear(stream, answer).await;
    }
    let told: Value = serde_json::from_slice(&heard).unwrap();
    assert_eq!((&told["id"], &told["status"]), (&task["id"], &json!("completed")));
    while !simulator.ledger().tasks[0].callback_delivered {
        tokio::task::yield_now().await;
    }
    assert_eq!(simulator.ledger().tasks[0].callback_tries, 2);
}

/// Reads one request and answers it; its body.
async fn hear(mut stream: TcpStream, answer: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut heard = Vec::new();
    loop {
        stream.read_buf(&mut heard).await.unwrap();
        let text = String::from_utf8_lossy(&heard).into_owned();
        let Some((fields, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = fields.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            stream.write_all(answer.as_bytes()).await.unwrap();
            return body.as_bytes().to_vec();
        }
    }
}
