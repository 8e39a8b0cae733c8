//! One GET of the admin API.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for the whole answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const BODY_MAX: usize = 64 << 20;

/// Any answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub status: u16,
    pub body: String,
}

/// Asks the listener at `admin`, an http URL, for a path.
///
/// # Errors
/// What a person can do something about.
pub(super) async fn ask(admin: &str, path: &str, token: Option<&str>) -> Result<Answered, String> {
    let authority = authority(admin).ok_or_else(|| format!("--admin {admin}: use http://HOST:PORT"))?;
    let mut request = Request::get(path).header(HOST, authority.as_str());
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let value = value.map_err(|_| "the token has characters that no token has".to_owned())?;
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Empty::new()).map_err(|error| format!("{admin}: {error}"))?;
    let late = format!("{admin} did not answer within {} s: is it the admin listener?", PATIENCE.as_secs());
    timeout(PATIENCE, exchange(admin, &authority, request)).await.map_err(|_elapsed| late)?
}

/// Host and port of a plain http URL without a path.
fn authority(url: &str) -> Option<Authority> {
    let uri: Uri = url.parse().ok()?;
    let bare = uri.path() == "/" && uri.query().is_none();
    uri.authority().filter(|_| bare && uri.scheme() == Some(&Scheme::HTTP)).cloned()
}

async fn exchange(
    admin: &str,
    authority: &Authority,
    request: Request<Empty<Bytes>>,
) -> Result<Answered, String> {
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| {
        format!(
            "{admin} cannot be reached ({error}). Does the gateway run there? --admin names another place."
        )
    })?;
    let broken = |error: &dyn std::fmt::Display| format!("{admin} broke off: {error}");
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(|error| broken(&error))?.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(|error| broken(&error))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answered { status: head.status.as_u16(), body })
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(|error| broken(&error))?;
            answer.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_place_is_asked() {
        let told = |url: &str| authority(url).map(|authority| authority.to_string());
        assert_eq!(told("http://127.0.0.1:9090").as_deref(), Some("127.0.0.1:9090"));
        assert_eq!(told("http://gateway/").as_deref(), Some("gateway"));
        assert_eq!(told("http://[::1]:9090").as_deref(), Some("[::1]:9090"));
        for wrong in
            ["https://gateway", "gateway:9090", "127.0.0.1", "http://", "http://a/admin", "http://a/?b"]
        {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }
}
