//! The floor: a bare hyper server that does the gateway's work and nothing else.
//!
//! Per request one create, one look at the task, one fetch of the picture, one answer with it in base64. No keys, no
//! checks, no limits, no retries, no log, no metrics: what a request costs before anyone has decided anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64_simd::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::Error;

/// Between looks, when the first came too early.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Serves in front of `upstream` until killed; each task is looked at `wait` after its create.
pub(crate) fn run(upstream: SocketAddr, wait: Duration) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("floor listening on {}", listener.local_addr()?);
        let tasks = TaskTracker::new();
        let floor = Arc::new(Floor { upstream, wait, idle: Mutex::default(), tasks: tasks.clone() });
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let floor = Arc::clone(&floor);
            let service = service_fn(move |request| answer(Arc::clone(&floor), request));
            tasks.spawn(async move {
                // A client that leaves is no news.
                drop(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            });
        }
    })
}

struct Floor {
    upstream: SocketAddr,
    wait: Duration,
    /// Upstream connections that are not in use.
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    tasks: TaskTracker,
}

#[derive(Deserialize)]
struct Task {
    id: String,
    status: String,
    #[serde(default)]
    results: Vec<String>,
}

async fn answer(floor: Arc<Floor>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = floor.picture(request).await.map(|body| {
        let mut response = Response::new(Full::new(body));
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    });
    Ok(answer.unwrap_or_else(|error| {
        let mut response = Response::new(Full::new(error.to_string().into()));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }))
}

impl Floor {
    async fn picture(&self, request: Request<Incoming>) -> Result<Bytes, Error> {
        let order = request.into_body().collect().await?.to_bytes();
        let created = self.call(Method::POST, "/v1/images/generations", order).await?;
        let id = serde_json::from_slice::<Task>(&created)?.id;
        if !self.wait.is_zero() {
            tokio::time::sleep(self.wait).await;
        }
        let link = loop {
            let seen: Task = serde_json::from_slice(
                &self.call(Method::GET, &format!("/v1/tasks/{id}"), Bytes::new()).await?,
            )?;
            if seen.status == "completed" {
                break seen.results.into_iter().next().ok_or("no link")?;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let link: Uri = link.parse()?;
        let picture = self.call(Method::GET, link.path(), Bytes::new()).await?;
        let mut body = Vec::with_capacity(STANDARD.encoded_length(picture.len()) + 64);
        body.extend_from_slice(b"{\"created\":0,\"data\":[{\"b64_json\":\"");
        STANDARD.encode_append(&picture, &mut body);
        body.extend_from_slice(b"\"}]}");
        Ok(body.into())
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut sender = match idle {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.upstream.to_string());
        request = request.header(USER_AGENT, "floor").header(CONTENT_TYPE, "application/json");
        if !path.starts_with("/media/") {
            request = request.header(AUTHORIZATION, "Bearer bench");
        }
        sender.ready().await?;
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        if status.is_success() { Ok(body) } else { Err(format!("upstream answered {status}").into()) }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
