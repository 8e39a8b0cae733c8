//! A small HTTP/1.1 client for callbacks and for uploads by URL. Plain http only: the simulator speaks to what stands
//! beside it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const BODY_MAX: usize = 100 << 20;
/// Longest exchange: Evolink waits so long for a callback's receiver.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("'{0}' is no http URL (the simulator speaks no https)")]
    Url(String),
    #[error("connecting or sending failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the exchange failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the body could not be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("no whole answer within 10 s")]
    Late,
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, ClientError> {
    let exchange = async {
        let uri = request.uri().clone();
        let wrong = || ClientError::Url(uri.to_string());
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(wrong)?;
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = target.parse::<Uri>().map_err(|_| wrong())?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
        request.headers_mut().insert(HOST, host);
        let stream = TcpStream::connect((
            authority.host().trim_matches(['[', ']']),
            authority.port_u16().unwrap_or(80),
        ))
        .await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await.map_err(ClientError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                answer.await
            }
        }
    };
    tokio::time::timeout(EXCHANGE_MAX, exchange).await.unwrap_or(Err(ClientError::Late))
}

/// A request with a JSON body or none, from Evolink's user agent.
pub(super) fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, ClientError> {
    let mut request = Request::new(body);
    *request.uri_mut() = url.parse().map_err(|_| ClientError::Url(url.to_owned()))?;
    *request.method_mut() = method;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("Evolink-Simulator/1.0"));
    Ok(request)
}
