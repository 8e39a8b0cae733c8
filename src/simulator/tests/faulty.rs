//! Faults by prompt, in process and over HTTP.

use super::*;

const KEY: &str = "0123456789abcdef-key";

async fn create_with(simulator: &Simulator, prompt: &str) -> Result<(u16, Value), ClientError> {
    create(simulator, KEY, &json!({"model": "gpt-image-2", "prompt": prompt}))
        .await
        .map(|answer| told(&answer))
}

#[tokio::test]
async fn creates_that_are_refused_make_no_task() {
    let simulator = simulator(Duration::ZERO).await;
    let cases = [
        ("[create:400]", 400, "/error/code", json!("invalid_request")),
        ("[create:401]", 401, "/error/code", json!("unauthorized")),
        ("[create:402]", 402, "/error/account_balance_credits", json!(1.25)),
        ("[create:402;code=key_quota_exhausted]", 402, "/error/code", json!("key_quota_exhausted")),
        ("[create:403]", 403, "/error/code", json!("model_access_denied")),
        ("[create:429]", 429, "/error/type", json!("rate_limit_error")),
        ("[create:500]", 500, "/error/type", json!("api_error")),
        ("[create:200-error]", 200, "/error/code", json!("service_error")),
        ("[create:flat]", 400, "/code", json!("invalid_request")),
        ("[create:intcode;status=502]", 502, "/error/code", json!(502)),
        ("[create:html]", 502, "", Value::Null),
        ("[create:redirect]", 302, "", Value::Null),
    ];
    for (prompt, status, pointer, expected) in cases {
        let (got, body) = create_with(&simulator, prompt).await.unwrap();
        assert_eq!((got, body.pointer(pointer)), (status, Some(&expected)), "{prompt}: {body}");
    }
    assert_eq!(simulator.ledger().totals.creates_accepted, 0);
}

#[tokio::test]
async fn a_counted_create_fault_counts_per_key() {
    let simulator = simulator(Duration::ZERO).await;
    let body = json!({"model": "gpt-image-2", "prompt": "x [create:429*1;retry-after=1]"});
    for key in ["first-key-0000000", "second-key-000000"] {
        let refused = create(&simulator, key, &body).await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()),
            (429, "1")
        );
        assert_eq!(create(&simulator, key, &body).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_a_task_that_the_key_finds_again() {
    let simulator = simulator(Duration::ZERO).await;
    for prompt in ["a [create:lost*1]", "b [create:malformed*1]", "c [create:no-id*1]"] {
        let key = format!("{KEY}{}", &prompt[..1]);
        let body = json!({"model": "gpt-image-2", "prompt": prompt});
        let first = create(&simulator, &key, &body).await.map(|answer| told(&answer));
        assert!(first.is_err() || first.is_ok_and(|(_, body)| body.get("id").is_none()), "{prompt}");
        assert!(told(&create(&simulator, &key, &body).await.unwrap()).1["id"].is_string());
    }
    let totals = simulator.ledger().totals;
    assert_eq!((totals.creates_accepted, totals.creates_replayed), (3, 3));
}

#[tokio::test]
async fn a_create_that_hangs_is_open_until_its_client_leaves() {
    let simulator = simulator(Duration::ZERO).await;
    let prompt = "x [create:hang*1]";
    let (status, error) = {
        let hanging = create_with(&simulator, prompt);
        tokio::pin!(hanging);
        loop {
            let early = tokio::time::timeout(Duration::from_millis(1), &mut hanging).await;
            assert!(early.is_err(), "a hanging create was answered");
            if simulator.ledger().totals.creates_accepted == 1 {
                break create_with(&simulator, prompt).await.unwrap();
            }
        }
    };
    assert_eq!((status, &error["error"]["code"]), (409, &json!("paid_outcome_unknown")));
    loop {
        let (status, _) = create_with(&simulator, prompt).await.unwrap();
        if status == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(simulator.ledger().totals.creates_accepted, 1);
}

#[tokio::test]
async fn a_task_can_have_ended_in_the_create_answer() {
    let simulator = simulator(Duration::from_mins(1)).await;
    let (_, task) = create_with(&simulator, "x [create:terminal]").await.unwrap();
    assert_eq!((&task["status"], task["results"].as_array().map(Vec::len)), (&json!("completed"), Some(1)));
}

#[tokio::test]
async fn failures_count_per_prompt_so_that_a_new_attempt_succeeds() {
    let simulator = simulator(Duration::ZERO).await;
    for expected in ["failed", "failed", "completed"] {
        let id = made(&simulator, "x [fail:generation_timeout*2]").await;
        assert_eq!(look(&simulator, &id).await.1["status"], expected);
    }
    let id = made(&simulator, "x [done:cancelled]").await;
    assert_eq!(look(&simulator, &id).await.1["status"], "cancelled");
}

#[tokio::test]
async fn looks_fail_as_asked_and_then_recover() {
    let simulator = simulator(Duration::ZERO).await;
    let id =
        made(&simulator, "x [poll:500*1] [poll:404*1] [poll:html*1] [poll:malformed*1] [poll:deep*1]").await;
    for (status, is_json) in [(500, true), (404, true), (200, false), (200, false), (200, false), (200, true)]
    {
        let (got, body) = look(&simulator, &id).await;
        assert_eq!((got, !body.is_null()), (status, is_json), "{body}");
    }
    let task = simulator.ledger().tasks.remove(0);
    assert_eq!((task.looks, task.looks_after_end), (6, 6));
    let id = made(&simulator, "x [poll:cut]").await;
    assert!(ask(&simulator, Method::GET, &format!("/v1/tasks/{id}"), &[], "").await.is_err());
    let id = made(&simulator, "x [poll:huge]").await;
    let huge = ask(&simulator, Method::GET, &format!("/v1/tasks/{id}"), &[], "").await.unwrap();
    assert!(huge.body().len() > 16 << 20);
}

#[tokio::test]
async fn tasks_can_look_odd() {
    let simulator = simulator(Duration::ZERO).await;
    let id = made(&simulator, "x [poll:backwards]").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(look(&simulator, &id).await.1["status"].clone());
    }
    assert_eq!(statuses, ["completed", "processing", "completed"]);
    let id = made(&simulator, "x [latency:60s] [poll:unknown-status]").await;
    assert_eq!(look(&simulator, &id).await.1["status"], "warming_up");
    let id = made(&simulator, "x [done:no-links*1] [done:result_data*1] [done:result_object*1]").await;
    let (_, bare) = look(&simulator, &id).await;
    assert_eq!((&bare["status"], &bare["results"]), (&json!("completed"), &json!([])));
    assert!(look(&simulator, &id).await.1["result_data"][0]["image_url"].is_string());
    assert!(look(&simulator, &id).await.1["result_data"]["image_url"].is_string());
    assert!(look(&simulator, &id).await.1["results"][0].is_string());
}

#[tokio::test]
async fn one_bad_task_in_a_batch_spoils_the_batch_only_where_it_must() {
    let simulator = simulator(Duration::ZERO).await;
    let good = made(&simulator, "x").await;
    let (gone, broken) = (made(&simulator, "[poll:404]").await, made(&simulator, "[poll:500]").await);
    let (status, batch) =
        call(&simulator, Method::POST, "/v1/tasks/batch", &json!({"task_ids": [good, gone, broken]})).await;
    assert_eq!((status, batch["data"].as_array().map(Vec::len)), (200, Some(2)));
    assert!(batch["data"][1]["error"].is_string());
    simulator.script(fault("poll:503*1"));
    let (status, _) =
        call(&simulator, Method::POST, "/v1/tasks/batch", &json!({"task_ids": [good, gone]})).await;
    assert_eq!(status, 503);
}

#[tokio::test]
async fn faults_and_ledger_work_over_http() {
    let simulator = simulator(Duration::ZERO).await;
    let (status, error) =
        call(&simulator, Method::POST, "/_simulator/faults", &json!({"fault": "create:x"})).await;
    assert_eq!(status, 400, "{error}");
    let (_, faults) =
        call(&simulator, Method::POST, "/_simulator/faults", &json!({"fault": "create:503*2"})).await;
    assert_eq!(faults["faults"][0]["left"], 2);
    assert_eq!(create_with(&simulator, "x").await.unwrap().0, 503);
    call(&simulator, Method::DELETE, "/_simulator/faults", &Value::Null).await;
    assert_eq!(create_with(&simulator, "x").await.unwrap().0, 200);
    let (_, ledger) = call(&simulator, Method::GET, "/_simulator/ledger", &Value::Null).await;
    let ledger: LedgerView = serde_json::from_value(ledger).unwrap();
    assert_eq!((ledger.totals.create_calls, ledger.tasks.len()), (2, 1));
    call(&simulator, Method::DELETE, "/_simulator/ledger", &Value::Null).await;
    assert_eq!(simulator.ledger().totals, Totals::default());
}
