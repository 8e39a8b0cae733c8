use serde_json::Value;

use super::script::{Reply, Script, Then};
use super::*;
use crate::evolink::{Proof, Refusal, TaskStatus};
use crate::money::Credits;

const ID: &str = "task-unified-1757156493-imcg5zqt";
/// For calls that are to be answered.
const PATIENCE: Duration = Duration::from_secs(20);
/// For calls that are not: long enough for loopback, short enough for a test.
const IMPATIENCE: Duration = Duration::from_millis(300);

pub(super) fn client(url: &str) -> Client {
    client_with(url, Arc::default(), PATIENCE)
}

fn client_with(url: &str, metrics: Arc<Metrics>, read_timeout: Duration) -> Client {
    let options = Options {
        base_url: url.to_owned(),
        read_timeout,
        ..Options::new(SecretString::from("sk-first-secret"))
    };
    Client::new(options, metrics).unwrap()
}

fn task_json(status: &str) -> Value {
    json!({"id": ID, "status": status, "progress": 0})
}

async fn create_with(client: &Client, patience: Duration) -> Result<Task, CallError> {
    client.create(&UpstreamKey::random(), CreateBody::from_static(b"{\"model\":\"m\"}"), patience).await
}

/// What a create makes of one reply.
async fn created(reply: Reply) -> Result<Task, CallError> {
    let script = Script::start([reply]).await;
    create_with(&client(&script.url), PATIENCE).await
}

#[tokio::test]
async fn a_create_sends_its_key_its_body_and_the_products_name() {
    let script = Script::start([Reply::json(&task_json("pending"))]).await;
    let client = client(&format!("{}/prefix/", script.url));
    let key = UpstreamKey::random();
    let body = CreateBody::from_static(b"{\"model\":\"m\",\"prompt\":\"a fox\"}");
    let task = client.create(&key, body.clone(), PATIENCE).await.unwrap();
    assert_eq!((task.id.as_str(), task.status), (ID, TaskStatus::Pending));

    let seen = script.seen().remove(0);
    assert_eq!(seen.line, "POST /prefix/v1/images/generations HTTP/1.1");
    assert_eq!(seen.body.as_bytes(), body);
    let table = [
        ("authorization", Some("Bearer sk-first-secret")),
        ("idempotency-key", Some(key.as_str())),
        ("user-agent", Some(concat!("evolink-gateway/", env!("CARGO_PKG_VERSION")))),
        ("content-type", Some("application/json")),
        ("accept", Some("application/json")),
        ("accept-encoding", None),
    ];
    for (name, value) in table {
        assert_eq!(seen.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn queries_go_to_their_paths() {
    let script = Script::start([
        Reply::json(&task_json("processing")),
        Reply::json(
            &json!({"data": [task_json("completed"), {"id": "task-not-asked-for", "status": "completed"}]}),
        ),
        Reply::json(&json!({"success": true, "data": {"user": {"remaining_credits": 12.5}}})),
    ])
    .await;
    let metrics = Arc::new(Metrics::new());
    let client = client_with(&script.url, Arc::clone(&metrics), PATIENCE);
    let ids = [TaskId::new(ID), TaskId::new("task-unknown")];
    assert_eq!(client.task(&ids[0]).await.unwrap().status, TaskStatus::Processing);
    let tasks = client.batch(&ids).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), [ID]);
    assert_eq!(client.credits().await.unwrap().remaining, Credits::from_micro(12_500_000));

    let seen = script.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.as_str()).collect();
    let task_line = format!("GET /v1/tasks/{ID} HTTP/1.1");
    assert_eq!(lines, [task_line.as_str(), "POST /v1/tasks/batch HTTP/1.1", "GET /v1/credits HTTP/1.1"]);
    assert_eq!(seen[1].body, format!(r#"{{"task_ids":["{ID}","task-unknown"]}}"#));
    assert!(seen.iter().all(|seen| seen.header("idempotency-key").is_none()));
    let text = metrics.render();
    for sample in [
        r#"upstream_requests_total{call="task",status="200"} 1"#,
        r#"upstream_requests_total{call="batch",status="200"} 1"#,
        r#"upstream_requests_total{call="credits",status="200"} 1"#,
        "upstream_credits_remaining 12.5",
    ] {
        assert!(text.contains(sample), "{sample}");
    }
}

#[tokio::test]
async fn a_new_key_is_used_from_the_next_call_on() {
    let script = Script::start([Reply::json(&task_json("pending"))]).await;
    let client = client(&script.url);
    create_with(&client, PATIENCE).await.unwrap();
    // as read from a file, with its line end
    client.set_api_key(&SecretString::from("sk-second-secret\n")).unwrap();
    client.set_api_key(&SecretString::from("sk-second-secret")).unwrap();
    assert_eq!(client.key_number(), 1, "the same key again is no change");
    create_with(&client, PATIENCE).await.unwrap();
    let keys: Vec<_> =
        script.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(keys, ["Bearer sk-first-secret", "Bearer sk-second-secret"]);
    assert!(matches!(client.set_api_key(&SecretString::from(" ")), Err(ClientError::Key)));
    assert!(!format!("{client:?}").contains("secret"));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_stays() {
    let elsewhere = Script::start([Reply::json(&task_json("completed"))]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/v1/images/generations", elsewhere.url);
        let error = created(Reply::whole(status, &[&location], "")).await.unwrap_err();
        assert!(matches!(error, CallError::Malformed { status: told, .. } if told == status), "{error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_terminal_status_in_the_create_answer_is_read() {
    let done = json!({"id": ID, "status": "completed", "results": ["https://x.example/1.png"]});
    let task = created(Reply::json(&done)).await.unwrap();
    assert_eq!((task.status, task.links.len()), (TaskStatus::Completed, 1));
    let failed = json!({"id": ID, "status": "failed", "error": {"code": "service_error", "message": "m"}});
    assert_eq!(created(Reply::json(&failed)).await.unwrap().error.unwrap().code, "service_error");
}

#[tokio::test]
async fn a_success_with_an_error_inside_is_that_error() {
    let inside = json!({"error": {"code": "content_policy_violation", "message": "no"}});
    let error = created(Reply::json(&inside)).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { refusal: Refusal::Moderation, .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_no_tasks_prove_nothing() {
    let huge = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n{{", 1_u64 << 40);
    let replies = [
        ("html", Reply::whole(200, &["content-type: text/html"], "<html>hello</html>")),
        ("gzip", Reply::whole(200, &["content-encoding: gzip"], &task_json("pending").to_string())),
        ("huge", Reply::raw(&huge, Then::Hang)),
        ("endless", Reply::raw("HTTP/1.1 200 X\r\n\r\n", Then::Endless)),
        ("no id", Reply::json(&json!({"status": "pending"}))),
    ];
    for (name, reply) in replies {
        let error = created(reply).await.unwrap_err();
        assert!(matches!(error, CallError::Malformed { status: 200, .. }), "{name}: {error}");
        assert_eq!(error.proof(), Proof::Unknown, "{name}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_broken() {
    let cut = [
        ("in the body", "HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n{\"id\":"),
        ("in a chunk", "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"id\":"),
        ("in the head", "HTTP/1.1 200 X\r\ncontent-le"),
        ("before the head", ""),
        ("by nonsense", "SSH-2.0-nonsense\r\n\r\n"),
    ];
    for (name, bytes) in cut {
        let error = created(Reply::raw(bytes, Then::Close)).await.unwrap_err();
        assert!(matches!(error, CallError::Broken(_)), "{name}: {error:?}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_slow_answer_ends_with_the_patience() {
    let slow = ["", "HTTP/1.1 200 X\r\n", "HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n{\"id\":"];
    for bytes in slow {
        let script = Script::start([Reply::raw(bytes, Then::Hang)]).await;
        let metrics = Arc::new(Metrics::new());
        let client = client_with(&script.url, Arc::clone(&metrics), IMPATIENCE);
        assert_eq!(create_with(&client, IMPATIENCE).await, Err(CallError::Timeout), "{bytes}");
        assert_eq!(client.task(&TaskId::new(ID)).await, Err(CallError::Timeout), "{bytes}");
        assert!(metrics.render().contains(r#"upstream_requests_total{call="create",status="timeout"} 1"#));
    }
}

#[tokio::test]
async fn a_cut_or_encoded_error_still_means_its_status() {
    let cut = Reply::raw("HTTP/1.1 402 X\r\ncontent-length: 500\r\n\r\n{\"error\":", Then::Close);
    let encoded = Reply::whole(402, &["content-encoding: br"], "\u{1}\u{2}");
    let endless = Reply::raw("HTTP/1.1 402 X\r\n\r\n", Then::Endless);
    for reply in [cut, encoded, endless] {
        let error = created(reply).await.unwrap_err();
        assert!(
            matches!(error, CallError::Refused { refusal: Refusal::Account, status: 402, .. }),
            "{error:?}"
        );
    }
    let page = created(Reply::whole(502, &["content-type: text/html"], "<html>Bad Gateway</html>")).await;
    assert!(matches!(page, Err(CallError::Down { status: 502, .. })), "{page:?}");
}

#[tokio::test]
async fn retry_after_is_obeyed_in_both_forms() {
    let dated = ["date: Sun, 06 Nov 1994 08:49:37 GMT", "retry-after: Sun, 06 Nov 1994 08:49:47 GMT"];
    let cases: [(&[&str], Option<u64>); 4] =
        [(&["retry-after: 7"], Some(7)), (&dated, Some(10)), (&["retry-after: 9999"], Some(60)), (&[], None)];
    for (headers, seconds) in cases {
        let error = created(Reply::whole(429, headers, "{}")).await.unwrap_err();
        assert_eq!(error, CallError::Busy { retry_after: seconds.map(Duration::from_secs) }, "{headers:?}");
    }
}

#[tokio::test]
async fn nobody_listening_proves_that_nothing_was_bought() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let metrics = Arc::new(Metrics::new());
    let error = create_with(&client_with(&url, Arc::clone(&metrics), PATIENCE), PATIENCE).await.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)), "{error:?}");
    assert_eq!(error.proof(), Proof::NotBought);
    assert!(metrics.render().contains(r#"upstream_requests_total{call="create",status="connect"} 1"#));
}

#[tokio::test]
async fn a_missing_path_and_a_missing_task_are_told_apart() {
    let wrong_path =
        json!({"error": {"message": "Invalid URL (POST /v1/tasks/batch)", "type": "invalid_request_error"}});
    let no_task =
        json!({"error": {"code": "task_not_found", "message": "no", "type": "invalid_request_error"}});
    let script = Script::start([
        Reply::whole(404, &[], &wrong_path.to_string()),
        Reply::whole(404, &[], &no_task.to_string()),
        Reply::whole(404, &[], &no_task.to_string()),
        Reply::json(&json!({"id": "task-of-somebody-else", "status": "completed"})),
    ])
    .await;
    let client = client(&script.url);
    let ids = [TaskId::new(ID)];
    assert_eq!(client.batch(&ids).await, Err(CallError::Missing));
    assert_eq!(client.batch(&ids).await, Ok(Vec::new()));
    assert_eq!(client.task(&ids[0]).await, Err(CallError::TaskNotFound));
    assert!(matches!(client.task(&ids[0]).await, Err(CallError::Malformed { .. })));
    assert_eq!(client.task(&TaskId::new("../credits")).await, Err(CallError::TaskNotFound));
    assert_eq!(script.seen().len(), 4);
}

#[tokio::test]
async fn a_404_without_a_name_is_about_the_task_unless_it_blames_the_path() {
    let numbered = |message: &str| json!({"error": {"code": 404, "message": message}}).to_string();
    let script = Script::start([
        Reply::whole(404, &[], &numbered("task not exist")),
        Reply::whole(404, &[], &numbered("Invalid URL (GET /v1/tasks/x)")),
        Reply::whole(404, &["content-type: text/html"], "<html>nginx</html>"),
    ])
    .await;
    let client = client(&script.url);
    for expected in [CallError::TaskNotFound, CallError::Missing, CallError::Missing] {
        assert_eq!(client.task(&TaskId::new(ID)).await, Err(expected));
    }
}

#[tokio::test]
async fn many_creates_at_once_share_a_bounded_number_of_connections() {
    let script = Script::start([Reply::json(&task_json("pending"))]).await;
    let client = client(&script.url);
    let calls = (0..CREATES_AT_ONCE_MAX * 4).map(|_| create_with(&client, PATIENCE));
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(script.connections() <= CREATES_AT_ONCE_MAX, "{}", script.connections());
}

#[tokio::test]
async fn a_create_that_gets_no_turn_was_not_sent() {
    let script = Script::start([Reply::raw("", Then::Hang)]).await;
    let client = Client { turn_max: IMPATIENCE, ..client(&script.url) };
    let _all = client.creates.acquire_many(u32::try_from(CREATES_AT_ONCE_MAX).unwrap()).await.unwrap();
    let error = create_with(&client, IMPATIENCE).await.unwrap_err();
    assert!(matches!(error, CallError::Connect(_)), "{error:?}");
    assert_eq!(script.connections(), 0);
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_secrets() {
    let made = |change: fn(&mut Options)| {
        let mut options = Options::new(SecretString::from("sk-secret"));
        change(&mut options);
        Client::new(options, Arc::default()).unwrap_err().to_string()
    };
    let errors = [
        made(|options| options.base_url = "api.evolink.ai".into()),
        made(|options| options.base_url = "ftp://api.evolink.ai".into()),
        made(|options| options.base_url = "https://user:hunter2@api.evolink.ai".into()),
        made(|options| options.files_url = "https://files.example/?key=hunter2".into()),
        made(|options| options.api_key = SecretString::from("")),
        made(|options| options.api_key = SecretString::from("sk-hunter2\nx")),
        made(|options| options.proxy = Some("http://[hunter2".into())),
    ];
    for error in errors {
        assert!(!error.contains("hunter2") && !error.is_empty(), "{error}");
    }
}
