//! Where the gateway is for the one who asks: what its own links begin with.
//!
//! `server.public_url` where it is set. Else what the request was sent to: its `Host`, or what a trusted proxy says that
//! was. Of a list (`a, b`) the last counts, which is what the trusted proxy itself wrote; what is no host is as if it
//! were not there. Without any, the address that the connection came in on: never anything that a link must not begin
//! with.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;

use super::listener::Ends;

const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// A name has 253 letters at most, and a port six with its colon.
const HOST_LENGTH_MAX: usize = 260;

/// Judges whether an address is that of a proxy whose headers are believed (`server.trusted_proxies`).
type IsTrusted = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How the beginnings of links are found.
pub struct Origins {
    /// Without a slash at its end.
    public: Option<String>,
    is_trusted: IsTrusted,
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").field("public", &self.public).finish_non_exhaustive()
    }
}

/// What a request tells of where it was sent to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    /// Of a request line with a whole URL: it goes before `Host`.
    pub(super) authority: Option<&'a Authority>,
    pub(super) headers: &'a HeaderMap,
    pub(super) ends: Option<Ends>,
}

impl Origins {
    /// `public_url`: without a slash at its end; it may have a path.
    pub fn new(
        public_url: Option<String>,
        is_trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { public: public_url, is_trusted: Box::new(is_trusted) }
    }

    /// What a path of this gateway is put after, for whoever sent the request.
    pub(super) fn base(&self, sent: Sent<'_>) -> String {
        if let Some(public) = &self.public {
            return public.clone();
        }
        let trusted = sent.ends.is_some_and(|ends| (self.is_trusted)(ends.peer.ip()));
        let forwarded = |name| trusted.then(|| last(sent.headers, name)).flatten();
        let scheme = match forwarded(FORWARDED_PROTO) {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        };
        let host = forwarded(FORWARDED_HOST)
            .filter(|host| is_host(host))
            .or_else(|| own_host(sent).filter(|host| is_host(host)));
        match (host, sent.ends) {
            (Some(host), _) => format!("{scheme}://{host}"),
            (None, Some(Ends { local: Some(local), .. })) => {
                format!("{scheme}://{}", SocketAddr::new(local.ip().to_canonical(), local.port()))
            }
            // Links are relative then: they lead to wherever the request was sent to.
            (None, _) => String::new(),
        }
    }
}

/// The last member of a list.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

fn own_host(sent: Sent<'_>) -> Option<&str> {
    if let Some(authority) = sent.authority {
        return Some(authority.as_str());
    }
    let mut lines = sent.headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Whether the text is a name or an address, with or without a port, and nothing else: no user, path, list or space.
fn is_host(text: &str) -> bool {
    if text.len() > HOST_LENGTH_MAX {
        return false;
    }
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<Ipv6Addr>().is_ok() => ("ipv6", rest),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let named = !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(letter);
    named && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests;
