//! The simulator over real connections.

mod creates;
mod faulty;
mod hosts;
mod looking;

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{self, ClientError};
use super::*;

/// A simulator whose tasks take so long.
async fn simulator(latency: Duration) -> Simulator {
    with(Options { latency: Some((latency, latency)), ..Options::default() }).await
}

async fn with(options: Options) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, options).await
}

/// A request with a key and these further headers.
async fn ask(
    simulator: &Simulator,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<Response<Bytes>, ClientError> {
    let url = format!("{}{path}", simulator.url());
    let mut request = client::request(method, &url, Bytes::copy_from_slice(body.as_bytes()))?;
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer sk-test"));
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    client::send(request).await
}

/// Status and JSON of an answer.
async fn call(simulator: &Simulator, method: Method, path: &str, body: &Value) -> (u16, Value) {
    told(&ask(simulator, method, path, &[], &body.to_string()).await.unwrap())
}

fn told(answer: &Response<Bytes>) -> (u16, Value) {
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

/// A create with an upstream key.
async fn create(simulator: &Simulator, key: &str, body: &Value) -> Result<Response<Bytes>, ClientError> {
    ask(simulator, Method::POST, "/v1/images/generations", &[("idempotency-key", key)], &body.to_string())
        .await
}

/// Makes a task for a prompt; its id.
async fn made(simulator: &Simulator, prompt: &str) -> String {
    let body = json!({"model": "gpt-image-2", "prompt": prompt});
    let (status, task) = call(simulator, Method::POST, "/v1/images/generations", &body).await;
    assert_eq!(status, 200, "{task}");
    task["id"].as_str().unwrap().to_owned()
}

async fn look(simulator: &Simulator, id: &str) -> (u16, Value) {
    call(simulator, Method::GET, &format!("/v1/tasks/{id}"), &Value::Null).await
}

/// Fetches a link without a key, as a product.
async fn fetch(url: &str) -> Result<Response<Bytes>, ClientError> {
    let mut request = client::request(Method::GET, url, Bytes::new())?;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("evolink-gateway/0.1"));
    client::send(request).await
}

fn fault(text: &str) -> Fault {
    text.parse().unwrap()
}
