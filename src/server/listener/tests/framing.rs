//! Requests that a proxy and a server could read differently: each is refused, or read in the one safe way, and the
//! connection is never used again, so that what follows cannot pass as a second request.

use std::sync::atomic::Ordering;

use super::super::testing::{TestServer, json_of};
use super::{Limits, counting};

/// Follows each of the requests on the same connection; must never be served.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: t\r\n\r\n";

const REFUSED: [(&str, &str); 14] = [
    (
        "two different lengths",
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabc",
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3, 5\r\n\r\nabc"),
    ("a signed length", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: +3\r\n\r\nabc"),
    ("a negative length", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: -3\r\n\r\nabc"),
    (
        "a length beyond 64 bits",
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
    ),
    ("chunked not last", "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("an unknown coding", "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a folded header", "GET / HTTP/1.1\r\nhost: t\r\nx-a: 1\r\n 2\r\n\r\n"),
    ("a space before the colon", "POST / HTTP/1.1\r\nhost: t\r\ncontent-length : 3\r\n\r\nabc"),
    ("a zero byte in a value", "GET / HTTP/1.1\r\nhost: t\r\nx-a: 1\0\r\n\r\n"),
    ("a bare carriage return in a value", "GET / HTTP/1.1\r\nhost: t\r\nx-a: 1\rx-b: 2\r\n\r\n"),
    ("no such version", "GET / HTTP/3.7\r\nhost: t\r\n\r\n"),
    ("no HTTP", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"),
];

#[tokio::test]
async fn an_ambiguous_head_is_refused_and_its_connection_not_used_again() {
    for (name, request) in REFUSED {
        let (router, count) = counting();
        let server = TestServer::start(router, Limits::default()).await;
        let answer = server.connect().await.exchange(format!("{request}{SMUGGLED}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}: {answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{name}: {answer}");
        assert_eq!(json_of(&answer)["error"]["code"], "invalid_request", "{name}");
        assert_eq!(count.load(Ordering::SeqCst), 0, "{name}: a request was served");
    }
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn after_a_broken_chunk_the_connection_is_not_used_again() {
    let broken = [
        ("no number", "zz\r\nabc\r\n0\r\n\r\n"),
        ("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("more than the size", "3\r\nabcd\r\n0\r\n\r\n"),
        ("a bare line feed", "3\nabc\r\n0\r\n\r\n"),
    ];
    for (name, body) in broken {
        let (router, count) = counting();
        let server = TestServer::start(router, Limits::default()).await;
        let answer = server.connect().await.exchange(format!("{CHUNKED}{body}{SMUGGLED}")).await;
        assert_eq!(count.load(Ordering::SeqCst), 1, "{name}: {answer}");
        assert!(!answer.contains("/smuggled"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_length_beside_chunked_is_ignored_and_the_connection_ends() {
    for lengths in
        ["content-length: 4\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 4"]
    {
        let (router, count) = counting();
        let server = TestServer::start(router, Limits::default()).await;
        let request =
            format!("POST / HTTP/1.1\r\nhost: t\r\n{lengths}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{SMUGGLED}");
        let answer = server.connect().await.exchange(request).await;
        assert!(answer.ends_with("<POST / 3>"), "{answer}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{answer}");
    }
}

#[tokio::test]
async fn too_many_and_too_large_headers_are_answered_431() {
    let many = "x-a: 1\r\n".repeat(200);
    let large = format!("x-a: {}\r\n", "a".repeat(200 * 1024));
    let endless = format!("x-a: {}", "a".repeat(200 * 1024));
    for headers in [many, large, endless] {
        let (router, count) = counting();
        let server = TestServer::start(router, Limits::default()).await;
        let answer = server.connect().await.exchange(format!("GET / HTTP/1.1\r\n{headers}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        assert_eq!(json_of(&answer)["error"]["code"], "headers_too_large");
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
