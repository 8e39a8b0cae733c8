//! Answers to connections that never brought a readable request; written without hyper.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use super::stream::SERVER;
use crate::fault::{Fault, FaultKind};
use crate::server::respond::error_body;

/// The longest that a refusal may take to write.
const WRITE_TIME_MAX: Duration = Duration::from_secs(1);
/// How long, and how much, is still read after the last answer. A socket closed with bytes unread resets the
/// connection, and the reset destroys the answer on its way.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A status of hyper or of the first-head guard, and the failure that it stands for.
pub(super) fn fault_for(status: u16) -> Fault {
    match status {
        408 => Fault::new(FaultKind::RequestTimeout, "The request's headers did not arrive in time."),
        414 => unreadable("The request's URL is too long.", "uri_too_long"),
        431 => unreadable("The request's headers are too large or too many.", "headers_too_large"),
        _ => unreadable("The request is not valid HTTP/1.1.", "invalid_request"),
    }
}

fn unreadable(message: &'static str, code: &'static str) -> Fault {
    Fault::new(FaultKind::InvalidValue, message).with_code(code)
}

/// Writes the refusal and closes in a way that lets the client read it.
pub(super) async fn refuse(mut stream: TcpStream, status: u16) {
    let request_id = format!("req_{}", Uuid::new_v4().simple());
    tracing::info!(status, request_id, "refused a request that could not be read");
    let answer = answer(status, &request_id);
    if let Ok(Ok(())) = timeout(WRITE_TIME_MAX, stream.write_all(&answer)).await {
        linger(stream).await;
    }
}

/// Closes the sending side and reads what is still under way, within bounds.
pub(super) async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut sink = vec![0; 16 * 1024];
    let rest = async {
        let mut read = 0;
        while read < LINGER_BYTES_MAX {
            match stream.read(&mut sink).await {
                Ok(1..) => read += sink.len(),
                Ok(0) | Err(_) => return,
            }
        }
    };
    // An elapsed time is the bound doing its work.
    let _elapsed = timeout(LINGER_TIME_MAX, rest).await;
}

fn answer(status: u16, request_id: &str) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let body = error_body(&fault_for(status));
    let mut answer = format!(
        "HTTP/1.1 {status} {}\r\nserver: {SERVER}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-request-id: {request_id}\r\nx-should-retry: false\r\nconnection: close\r\n\r\n",
        reason.unwrap_or("Refused"),
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}
