//! Who may use the admin API.
//!
//! With `server.admin_token`: who presents it. Without: nobody, unless the listener is on loopback; there a page in a
//! browser on the same machine could still reach it, so the Host must be loopback (a name that was bound anew to
//! 127.0.0.1 is not), and what changes something must say that it is JSON (a page may not, without being asked first).

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;
use http::{HeaderMap, Method};

use super::Desk;
use crate::fault::{Fault, FaultKind};
use crate::keys::{KeyDigest, hash_secret};
use crate::server::read_body::{essence, unsupported};

/// Below this the door stands.
const GUARDED: &str = "/admin/";
/// Bytes of a presented token that are looked at.
const TOKEN_BYTES_MAX: usize = 4096;

pub(super) async fn check(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(GUARDED) {
        let policy = desk.gateway.policy.load();
        let token = policy.admin.token.as_ref();
        if let Err(fault) = admit(token, desk.admin.loopback, request.method(), request.headers()) {
            return fault.into_response();
        }
    }
    next.run(request).await
}

fn admit(
    token: Option<&KeyDigest>,
    loopback: bool,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    match token {
        Some(token) => presents(token, headers),
        None if !loopback => Err(denied(
            "The admin API is closed: it is reachable from other machines and has no token. Set \
             server.admin_token, and send it as `Authorization: Bearer <token>`.",
        )),
        None if !names_loopback(headers) => Err(denied(
            "Without server.admin_token the admin API answers on this machine's own names only. Use \
             http://127.0.0.1 or http://localhost, or set server.admin_token.",
        )),
        None if *method != Method::GET && *method != Method::HEAD && !is_json(headers) => {
            Err(unsupported("Send `Content-Type: application/json`, also with an empty body."))
        }
        None => Ok(()),
    }
}

/// The comparison takes the same time wherever the difference is.
fn presents(token: &KeyDigest, headers: &HeaderMap) -> Result<(), Fault> {
    let presented = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, presented) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(presented.trim())
    });
    let presented = presented.filter(|text| (1..=TOKEN_BYTES_MAX).contains(&text.len()));
    if presented.is_some_and(|presented| token.matches(&hash_secret(presented))) {
        return Ok(());
    }
    let message =
        "The admin API wants `Authorization: Bearer <token>`, with the token of server.admin_token.";
    Err(Fault::new(FaultKind::InvalidKey, message))
}

/// Whether the only Host header names this machine to itself, with or without a port.
fn names_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_plain = !authority.as_str().contains('@');
    let is_loopback = |address: std::net::IpAddr| address.to_canonical().is_loopback();
    is_plain && (name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback))
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).as_deref() == Some("application/json")
}

/// 403 in the shape of all errors. The table of failures is what clients of the API meet; this they do not.
fn denied(message: &'static str) -> Fault {
    Fault::new(FaultKind::ModelNotAllowed, message).with_code("admin_access_denied")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn status(outcome: Result<(), Fault>) -> u16 {
        outcome.err().map_or(200, |fault| fault.status())
    }

    #[test]
    fn only_the_token_opens_where_there_is_one() {
        let token = hash_secret("token-1");
        for (authorization, expected) in [
            ("Bearer token-1", 200),
            ("bearer  token-1 ", 200),
            ("Bearer token-2", 401),
            ("Bearer token-1x", 401),
            ("Bearer ", 401),
            ("Bearer", 401),
            ("token-1", 401),
            ("Basic token-1", 401),
        ] {
            for loopback in [true, false] {
                // Neither Host nor media type matter.
                let headers = headers(&[("authorization", authorization), ("host", "gateway.internal")]);
                let outcome = admit(Some(&token), loopback, &Method::POST, &headers);
                assert_eq!(status(outcome), expected, "{authorization}");
            }
        }
        assert_eq!(status(admit(Some(&token), true, &Method::GET, &headers(&[("host", "localhost")]))), 401);
    }

    #[test]
    fn without_a_token_it_is_closed_where_others_can_connect() {
        let headers = headers(&[("host", "localhost"), ("authorization", "Bearer x")]);
        let fault = admit(None, false, &Method::GET, &headers).unwrap_err();
        assert_eq!((fault.status(), fault.code()), (403, "admin_access_denied"));
        assert!(fault.message().contains("server.admin_token"), "{}", fault.message());
    }

    #[test]
    fn without_a_token_only_loopback_hosts_are_answered() {
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost:9090", 200),
            ("127.0.0.1", 200),
            ("127.8.9.10:9090", 200),
            ("[::1]", 200),
            ("[::1]:9090", 200),
            ("evil.example", 403),
            ("evil.example:9090", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost@evil.example", 403),
            ("evil.example@localhost", 403),
            ("10.0.0.1", 403),
            ("[2001:db8::1]", 403),
            ("0.0.0.0", 403),
            ("", 403),
        ] {
            let outcome = admit(None, true, &Method::GET, &headers(&[("host", host)]));
            assert_eq!(status(outcome), expected, "{host:?}");
        }
        assert_eq!(status(admit(None, true, &Method::GET, &HeaderMap::new())), 403);
        let two = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(status(admit(None, true, &Method::GET, &two)), 403);
    }

    #[test]
    fn without_a_token_what_changes_something_says_that_it_is_json() {
        for (media_type, expected) in [
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("multipart/form-data; boundary=x", 415),
        ] {
            let headers = headers(&[("host", "localhost"), ("content-type", media_type)]);
            assert_eq!(status(admit(None, true, &Method::POST, &headers)), expected, "{media_type}");
        }
        let bare = headers(&[("host", "localhost")]);
        for (method, expected) in
            [(Method::GET, 200), (Method::HEAD, 200), (Method::POST, 415), (Method::DELETE, 415)]
        {
            assert_eq!(status(admit(None, true, &method, &bare)), expected, "{method}");
        }
    }
}
