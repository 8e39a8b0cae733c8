//! The life of one connection: guarded until its first request, then hyper's, then closed so that the last answer
//! arrives.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, SERVER as SERVER_HEADER};
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tower::Service as _;

use super::refusal::{linger, refuse};
use super::stream::{GuardedStream, SERVER};
use super::{Limits, Shutdown};

/// Pause between the kernel's probes of a silent peer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// hyper takes no smaller one.
const READ_BUFFER_MIN: usize = 8 * 1024;

/// Both ends of a request's connection, in its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The client, or the proxy nearest to this gateway.
    pub peer: SocketAddr,
    /// What it has connected to.
    pub local: Option<SocketAddr>,
}

/// When a connection was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Regular,
    /// Gets one answer (503 by the draining layer) and is closed.
    WhileDraining,
}

/// What every connection of a listener shares.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) shutdown: Shutdown,
}

/// What the service tells the connection's loop.
#[derive(Default)]
struct Signs {
    /// The first request's head was read.
    first_head: AtomicBool,
    /// The last answer told the client that the connection ends.
    closing: AtomicBool,
}

enum End {
    /// hyper is done with the connection; whether without an error.
    Over(bool),
    /// The bytes are no HTTP/1.1, and hyper may not have said so.
    Unreadable,
    /// No whole request head within the time for the first.
    NoFirstHead,
}

impl Serving {
    pub(super) async fn run(self, stream: TcpStream, age: Age) {
        let Ok(peer) = stream.peer_addr() else { return };
        let ends = Ends { peer, local: stream.local_addr().ok() };
        if let Err(error) = tune(&stream, &self.limits) {
            tracing::debug!(%error, "could not set the options of a connection");
        }
        let signs = Arc::new(Signs::default());
        let service = {
            let (router, signs) = (self.router, Arc::clone(&signs));
            service_fn(move |request| answer(router.clone(), Arc::clone(&signs), ends, request))
        };
        let io = TokioIo::new(GuardedStream::new(stream, self.limits.write_idle));
        let mut connection = builder(&self.limits, age).serve_connection(io, service);

        let first_head = sleep(self.limits.first_head);
        let mut first_head = std::pin::pin!(first_head);
        let (mut guarded, mut told) = (true, age == Age::WhileDraining);
        let end = loop {
            tokio::select! {
                biased;
                result = &mut connection => break match result {
                    Err(error) if error.is_parse() => End::Unreadable,
                    result => End::Over(result.is_ok()),
                },
                () = &mut first_head, if guarded => {
                    if !signs.first_head.load(Ordering::Acquire) {
                        break End::NoFirstHead;
                    }
                    guarded = false;
                }
                () = self.shutdown.draining(), if !told => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    told = true;
                }
            }
        };
        let parts = connection.into_parts();
        finish(parts.io.into_inner(), &end, !parts.read_buf.is_empty(), &signs).await;
    }
}

/// Closes the connection; every answer that is still owed is written first.
async fn finish(stream: GuardedStream, end: &End, has_unread: bool, signs: &Signs) {
    let refused = stream.refused();
    let stream = stream.into_inner();
    match (end, refused) {
        (End::NoFirstHead, _) if has_unread => refuse(stream, 408).await,
        (End::Unreadable, status) => refuse(stream, status.unwrap_or(400)).await,
        (End::Over(_), Some(status)) => refuse(stream, status).await,
        (End::Over(true), None) if signs.closing.load(Ordering::Acquire) => linger(stream).await,
        // Nobody to answer, or an end that the client made or knows of.
        (End::NoFirstHead | End::Over(_), _) => {}
    }
}

async fn answer(
    mut router: Router,
    signs: Arc<Signs>,
    ends: Ends,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    signs.first_head.store(true, Ordering::Release);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ends);
    let mut response = router.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(SERVER_HEADER, HeaderValue::from_static(SERVER));
    let closing =
        headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    signs.closing.store(closing, Ordering::Release);
    Ok(response)
}

fn builder(limits: &Limits, age: Age) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new()) // Without it the header time-out is silently off.
        .header_read_timeout(limits.later_head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(READ_BUFFER_MIN))
        .keep_alive(age == Age::Regular);
    builder
}

fn tune(stream: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let probes =
        socket2::TcpKeepalive::new().with_time(limits.tcp_keepalive).with_interval(KEEPALIVE_INTERVAL);
    socket2::SockRef::from(stream).set_tcp_keepalive(&probes)
}
