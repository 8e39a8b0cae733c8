//! The load: clients with a keep-alive connection each, asking again as soon as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Error;
use crate::setup::Server;

/// No prompt comes twice in a run.
static PROMPTS: AtomicUsize = AtomicUsize::new(0);

/// When the clients stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Passed(Duration),
    Answered(usize),
}

/// What a round of load saw.
#[derive(Debug)]
pub(crate) struct Round {
    /// How long each answer took, from the request's first byte to the answer's last.
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
}

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
    _connection: JoinSet<()>,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Result<Self, Error> {
        Self::connect_to(server.address, &server.key).await
    }

    /// GETs a path once; returns the whole answer.
    pub(crate) async fn fetch(address: SocketAddr, path: &str) -> Result<Bytes, Error> {
        let mut client = Self::connect_to(address, "").await?;
        let request = Request::get(path).header(HOST, "bench").body(Full::default())?;
        Ok(client.send(request).await?.collect().await?.to_bytes())
    }

    async fn connect_to(address: SocketAddr, key: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // An early end shows in the request that it spoils.
            drop(connection.await);
        });
        Ok(Self { sender, authorization: format!("Bearer {key}"), _connection: tasks })
    }

    /// GETs a path; returns the status.
    pub(crate) async fn get(&mut self, path: &str) -> Result<StatusCode, Error> {
        let request = Request::get(path).header(HOST, "bench").body(Full::default())?;
        Ok(self.send(request).await?.status())
    }

    /// Asks for a picture and reads the answer to its end; returns its size in bytes.
    async fn generate(&mut self) -> Result<usize, Error> {
        let mut answer = self.ask().await?;
        let status = answer.status();
        let mut bytes = 0;
        while let Some(frame) = answer.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        if status == StatusCode::OK { Ok(bytes) } else { Err(format!("answered {status}").into()) }
    }

    /// Asks for a picture; returns the status, once the whole answer is there.
    pub(crate) async fn status(&mut self) -> Result<StatusCode, Error> {
        let answer = self.ask().await?;
        let status = answer.status();
        answer.collect().await?;
        Ok(status)
    }

    /// Asks for a picture; returns the whole answer.
    pub(crate) async fn answer(&mut self) -> Result<Bytes, Error> {
        Ok(self.ask().await?.collect().await?.to_bytes())
    }

    async fn ask(&mut self) -> Result<http::Response<Incoming>, Error> {
        let prompt = PROMPTS.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"model":"gpt-image-2","prompt":"a lighthouse at dusk, number {prompt}","size":"1024x1024","quality":"low"}}"#
        );
        let request = Request::post("/v1/images/generations")
            .header(HOST, "bench")
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Error> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

/// Loads `server`. All clients are connected before the first request is sent. An answer that is no 200, or smaller
/// than `bytes_min`, ends the benchmark: figures of a faulty run are worth nothing.
pub(crate) async fn run(
    server: &Server,
    clients: usize,
    until: Until,
    bytes_min: usize,
) -> Result<Round, Error> {
    let mut connected = Vec::with_capacity(clients);
    for _ in 0..clients {
        connected.push(Client::connect(server).await?);
    }
    let left = Arc::new(AtomicUsize::new(match until {
        Until::Passed(_) => usize::MAX,
        Until::Answered(count) => count,
    }));
    let began = Instant::now();
    let ends = match until {
        Until::Passed(time) => Some(began + time),
        Until::Answered(_) => None,
    };
    let mut tasks = JoinSet::new();
    for client in connected {
        tasks.spawn(ask_on(client, Arc::clone(&left), ends, bytes_min));
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    Ok(Round { times, took: began.elapsed() })
}

async fn ask_on(
    mut client: Client,
    left: Arc<AtomicUsize>,
    ends: Option<Instant>,
    bytes_min: usize,
) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::new();
    let take = |left: usize| left.checked_sub(1);
    while ends.is_none_or(|ends| Instant::now() < ends)
        && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    {
        let asked = Instant::now();
        let bytes = client.generate().await?;
        if bytes < bytes_min {
            return Err(format!("an answer of {bytes} bytes where {bytes_min} were due").into());
        }
        times.push(asked.elapsed());
    }
    Ok(times)
}
