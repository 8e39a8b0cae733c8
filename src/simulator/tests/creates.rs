//! Creates, upstream keys, money.

use super::*;

const KEY: &str = "0123456789abcdef-key";

#[tokio::test]
async fn a_task_runs_from_pending_to_a_picture_of_the_asked_size() {
    let simulator = simulator(Duration::ZERO).await;
    let body =
        json!({"model": "gpt-image-2", "prompt": "a red cat", "size": "3:2", "resolution": "1K", "seed": 5});
    let (status, task) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
    assert_eq!((status, &task["object"]), (200, &json!("image.generation.task")));
    assert_eq!(
        (&task["task_info"]["estimated_time"], &task["usage"]["billing_rule"]),
        (&json!(100), &json!("per_token"))
    );
    let (_, task) = look(&simulator, task["id"].as_str().unwrap()).await;
    assert_eq!(
        (&task["status"], &task["progress"], &task["error"]),
        (&json!("completed"), &json!(100), &Value::Null)
    );
    let picture = fetch(task["results"][0].as_str().unwrap()).await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/png");
    let picture = image::load_from_memory(picture.body()).unwrap();
    assert_eq!((picture.width(), picture.height()), (1248, 832));
    let ledger = simulator.ledger();
    assert_eq!(ledger.tasks[0].body, body);
    assert_eq!(ledger.tasks[0].body_text, body.to_string());
    assert_eq!((ledger.tasks[0].looks, ledger.tasks[0].media_fetches), (1, 1));
    assert_eq!(task["usage"]["credits_used"].as_f64(), Some(ledger.tasks[0].credits_charged));
    simulator.stop().await;
}

#[tokio::test]
async fn a_key_names_one_task_and_another_body_conflicts() {
    let simulator = simulator(Duration::from_secs(9)).await;
    let body = json!({"model": "gpt-image-2", "prompt": "a cat"});
    let first = create(&simulator, KEY, &body).await.unwrap();
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let again = create(&simulator, KEY, &body).await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(told(&first).1["id"], told(&again).1["id"]);
    let other = create(&simulator, KEY, &json!({"model": "gpt-image-2", "prompt": "a dog"})).await.unwrap();
    let (status, error) = told(&other);
    assert_eq!((status, &error["error"]["code"]), (409, &json!("idempotency_conflict")));
    let short = create(&simulator, "short", &body).await.unwrap();
    assert_eq!(short.status(), 400);
    let totals = simulator.ledger().totals;
    assert_eq!((totals.creates_accepted, totals.creates_replayed, totals.creates_refused), (1, 1, 2));
}

#[tokio::test]
async fn without_idempotency_each_create_makes_a_task() {
    let simulator = with(Options { idempotency: false, ..Options::default() }).await;
    let body = json!({"model": "gpt-image-2", "prompt": "a cat"});
    for _ in 0..2 {
        assert_eq!(create(&simulator, KEY, &body).await.unwrap().status(), 200);
    }
    assert_eq!(simulator.ledger().totals.creates_accepted, 2);
}

#[tokio::test]
async fn a_failed_task_is_refunded_and_an_empty_account_refuses() {
    let price = 3.23;
    let options =
        Options { credits: price, latency: Some((Duration::ZERO, Duration::ZERO)), ..Options::default() };
    let simulator = with(options).await;
    let id = made(&simulator, "x [fail:service_error]").await;
    let (status, task) = look(&simulator, &id).await;
    assert_eq!(
        (status, &task["status"], &task["error"]["code"]),
        (200, &json!("failed"), &json!("service_error"))
    );
    assert!(task["error"]["message"].as_str().unwrap().contains(" (request id: "));
    assert!(simulator.ledger().totals.credits_charged < 1e-9);
    made(&simulator, "x").await;
    let body = json!({"model": "gpt-image-2", "prompt": "x"});
    let (status, error) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
    assert_eq!((status, &error["error"]["code"]), (402, &json!("insufficient_quota")));
    let (_, credits) = call(&simulator, Method::GET, "/v1/credits", &Value::Null).await;
    let charged = simulator.ledger().totals.credits_charged;
    let told = |whose: &str, what: &str| credits["data"][whose][what].as_f64().unwrap();
    let left = told("user", "remaining_credits");
    assert!((left + charged - price).abs() < 1e-6, "{left} + {charged}");
    assert!((told("user", "used_credits") - charged).abs() < 1e-6, "{credits}");
    assert!((told("token", "used_credits") - charged).abs() < 1e-6, "{credits}");
}

#[tokio::test]
async fn one_picture_is_delivered_whatever_n_says_unless_told_otherwise() {
    let simulator = simulator(Duration::ZERO).await;
    for (prompt, pictures) in [("cats", 1), ("cats [done:all-n]", 3)] {
        let body = json!({"model": "gpt-image-2", "prompt": prompt, "n": 3});
        let (_, task) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
        let (_, task) = look(&simulator, task["id"].as_str().unwrap()).await;
        assert_eq!(task["results"].as_array().unwrap().len(), pictures);
    }
}

#[tokio::test]
async fn bad_requests_are_refused_in_evolinks_words() {
    let simulator = simulator(Duration::ZERO).await;
    let path = "/v1/images/generations";
    let (status, error) = call(&simulator, Method::POST, path, &json!({"model": "gpt-image-2"})).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("invalid_request")));
    let (status, error) =
        call(&simulator, Method::POST, path, &json!({"model": "dall-e-3", "prompt": "x"})).await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("model_not_found")));
    let (status, error) = call(&simulator, Method::POST, "/v1/images/edits", &Value::Null).await;
    assert_eq!((status, &error["error"]["message"]), (404, &json!("Invalid URL (POST /v1/images/edits)")));
    let keyless = fetch(&format!("{}/v1/models", simulator.url())).await.unwrap();
    assert_eq!(keyless.status(), 401);
    assert_eq!(simulator.ledger().refusals.len(), 2);
}
