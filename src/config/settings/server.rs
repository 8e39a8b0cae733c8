//! `server`: the listeners and what they bear.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::config::address::{HttpUrl, Network};
use crate::config::duration::{millis, secs};
use crate::config::macros::settings;
use crate::config::secret::Secret;
use crate::config::size::Size;

/// Longest wait an answer may take at all, streams included.
const LONGEST_WAIT: Duration = secs(590);

settings! {
    /// The listeners and what they bear.
    pub struct Server {
        /// Address of the API.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        /// Address of health, metrics and the admin API. Never to be exposed to clients.
        admin_listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
        /// The bearer token of the admin API. Without one it is open on loopback and closed elsewhere.
        admin_token: Option<Secret> = None,
        /// The gateway's address as clients see it, base of its own links and callbacks behind a proxy.
        public_url: Option<HttpUrl> = None,
        /// Addresses or networks of proxies whose X-Forwarded-* headers are believed.
        trusted_proxies: Vec<Network> = Vec::new(),
        /// Longest silent wait of a synchronous request. Stock Node clients give up at 300s.
        deadline: Duration = secs(285) => millis(1)..=LONGEST_WAIT,
        /// Whitespace sent ahead of a late JSON answer.
        keepalive: Keepalive = Keepalive::default(),
        /// On SIGTERM, how long running answers may take to finish.
        drain: Duration = secs(300) => secs(0)..=secs(3600),
        /// Requests waiting at once; more get 503.
        max_waiting: usize = 10_000 => 1..=1_000_000,
        /// Requests of one team waiting at once; more get 429.
        max_waiting_per_team: usize = 5_000 => 1..=1_000_000,
        /// The largest edits request.
        max_upload: Size = Size::mib(100) => Size::kib(1)..=Size::gib(4),
        /// The largest JSON body, data URLs included.
        max_json: Size = Size::mib(32) => Size::kib(1)..=Size::gib(1),
        /// Request bodies held in memory at once, all together; more get 503.
        max_buffered: Size = Size::mib(256) => Size::kib(1)..=Size::gib(1024),
        /// Cross-origin requests from browsers.
        cors: Cors = Cors::default(),
    }
}

settings! {
    /// Whitespace sent ahead of a late JSON answer, for proxies that cut silent connections.
    pub struct Keepalive {
        /// Off: the status is always the true one.
        enabled: bool = false,
        /// When the first whitespace is sent.
        after: Duration = secs(45) => millis(1)..=LONGEST_WAIT,
        /// Time between whitespaces.
        every: Duration = secs(15) => millis(1)..=LONGEST_WAIT,
    }
}

settings! {
    /// Cross-origin requests from browsers.
    pub struct Cors {
        /// Origins such as https://app.example.com, or `*` for all. Empty: none.
        origins: Vec<String> = vec!["*".to_owned()],
    }
}
