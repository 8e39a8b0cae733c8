//! The guard before every address that comes from outside: result links, and the `image_urls` of callers.
//!
//! A host is resolved once, every address of it is judged, and exactly those addresses are dialled: the
//! guard *is* the client's resolver, so a name cannot answer differently between the check and the
//! connection. IP literals never reach a resolver and are judged when the URL is read.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use super::address::is_public;

/// Longest accepted reference, in bytes: what browsers and CDNs agree on.
pub const REFERENCE_LENGTH_MAX: usize = 2048;

/// Longest wait for a name's addresses. The system's resolver has its own, often longer.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(5);

/// How names become addresses; tests bring their own. The port of the answers does not matter.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Decides where the gateway may go. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allow_private: bool,
    behind_proxy: bool,
    lookup: Lookup,
}

/// Why the gateway does not go to a URL. Never names the URL: signed links are secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is not a valid URL")]
    NotAUrl,
    #[error("its scheme is not allowed")]
    Scheme,
    #[error("it carries a user name or password")]
    Credentials,
    #[error("its host is not a public address")]
    PrivateAddress,
    #[error("it redirects")]
    Redirect,
}

/// Why a caller's reference is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("the URL is refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the URL is longer than {REFERENCE_LENGTH_MAX} bytes")]
    TooLong,
    #[error("the URL's host has no address")]
    Unresolved,
}

/// Why a host has no address to dial.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("the host is not a public address")]
    Private,
    #[error("the host's address was not found in time")]
    Timeout,
    #[error("the host's address was not found")]
    Unresolved(#[source] io::Error),
}

impl Guard {
    /// A guard over the system's resolver. `allow_private` also lets http, loopback and private addresses
    /// pass (simulator, tests).
    pub fn new(allow_private: bool) -> Self {
        Self::with_lookup(allow_private, Arc::new(|host| Box::pin(system_lookup(host))))
    }

    /// A guard over another way of finding addresses.
    pub fn with_lookup(allow_private: bool, lookup: Lookup) -> Self {
        Self { allow_private, behind_proxy: false, lookup }
    }

    /// For a network whose way out is a proxy: names unknown inside are then left to the proxy, which is
    /// the one that dials. Names that do resolve are judged as ever.
    #[must_use]
    pub fn behind_proxy(mut self, behind_proxy: bool) -> Self {
        self.behind_proxy = behind_proxy;
        self
    }

    /// Checks a caller's URL that is passed on to upstream and never fetched here: its scheme, and that its
    /// host is public. Looks the name up (at most five seconds).
    pub async fn check_reference(&self, url: &str) -> Result<(), ReferenceError> {
        if url.len() > REFERENCE_LENGTH_MAX {
            return Err(ReferenceError::TooLong);
        }
        // Parsers disagree on these; what upstream reads must be what was judged here.
        if url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(Refusal::NotAUrl.into());
        }
        let url = self.check_url(url)?;
        match self.check_host(&url).await {
            Ok(()) => Ok(()),
            Err(HostError::Private) => Err(Refusal::PrivateAddress.into()),
            Err(HostError::Timeout | HostError::Unresolved(_)) => Err(ReferenceError::Unresolved),
        }
    }

    /// What can be said of a URL without asking anyone: scheme, user name, IP literal.
    pub(super) fn check_url(&self, url: &str) -> Result<Url, Refusal> {
        let url = Url::parse(url).map_err(|_| Refusal::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private => {}
            _ => return Err(Refusal::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        match literal(&url) {
            Some(address) if !self.lets_through(address) => Err(Refusal::PrivateAddress),
            _ => Ok(url),
        }
    }

    /// Judges the addresses of a URL's host. Enough by itself only where another dials (upstream, a proxy).
    pub(super) async fn check_host(&self, url: &Url) -> Result<(), HostError> {
        // The parser has brought IP literals into one form and `check_url` has judged them.
        let Some(host) = url.host_str().filter(|_| !self.allow_private && literal(url).is_none()) else {
            return Ok(());
        };
        match self.addresses(host.to_owned()).await {
            Err(HostError::Timeout | HostError::Unresolved(_)) if self.behind_proxy => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// All addresses of a host: at least one, and all of them allowed.
    async fn addresses(&self, host: String) -> Result<Vec<SocketAddr>, HostError> {
        let found = timeout(LOOKUP_TIME_MAX, (self.lookup)(host)).await;
        let found = found.map_err(|_| HostError::Timeout)?.map_err(HostError::Unresolved)?;
        if found.is_empty() {
            return Err(HostError::Unresolved(io::ErrorKind::NotFound.into()));
        }
        if found.iter().all(|address| self.lets_through(address.ip())) {
            Ok(found)
        } else {
            Err(HostError::Private)
        }
    }

    fn lets_through(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str().to_owned()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allow_private", &self.allow_private)
            .field("behind_proxy", &self.behind_proxy)
            .finish_non_exhaustive()
    }
}

async fn system_lookup(host: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.collect())
}

/// The host as an IP address, if it is one. Decimal, octal and hex forms are dotted by the URL parser.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches([']', '.']).parse().ok()
}

#[cfg(test)]
mod tests;
