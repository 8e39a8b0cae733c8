//! Addresses on the network: URLs by their scheme, and networks of IP addresses.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;
use url::Url;

use super::scalar::{text, text_like};
use super::secret::Secret;
use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// A URL printed without its user information, which may hold a password.
fn redacted(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() || !url.username().is_empty() {
        // Both fail only for URLs without a host, which are refused.
        let _ = url.set_password(None);
        let _ = url.set_username("***");
    }
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let text = url.to_string();
    text.strip_suffix('/').filter(|_| is_bare).unwrap_or(&text).to_owned()
}

macro_rules! urls {
    ($( $(#[doc = $doc:literal])+ $name:ident: $schemes:expr, $must:literal; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Url);

        impl $name {
            /// None for another scheme or without a host.
            pub fn parse(text: &str) -> Option<Self> {
                let url = Url::parse(text.trim()).ok()?;
                ($schemes.contains(&url.scheme()) && url.has_host()).then_some(Self(url))
            }

            /// With user information, if it has one.
            pub const fn as_url(&self) -> &Url {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&redacted(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&redacted(&self.0))
            }
        }

        impl Setting for $name {
            fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
                match Self::parse(text(value, reader)?) {
                    Some(url) => Some(url),
                    None => {
                        // The text is not repeated: it may hold a password.
                        reader.report($must.to_owned());
                        None
                    }
                }
            }

            fn schema() -> Value {
                text_like(&format!("^({})://", $schemes.join("|")))
            }

            fn shown(&self, secrets: Secrets) -> Shown {
                match secrets {
                    Secrets::Hidden => Shown::plain(redacted(&self.0)),
                    Secrets::Hashed => {
                        Shown::plain(Secret::new(self.0.as_str()).sha256().to_string())
                    }
                }
            }
        }
    )+ };
}

urls! {
    /// An `http` or `https` URL.
    HttpUrl: ["http", "https"], "must be a URL such as https://images.example.com";
    /// A `redis` or `rediss` (TLS) URL.
    RedisUrl: ["redis", "rediss"], "must be a URL such as redis://redis.internal:6379/0, or rediss:// for TLS";
}

impl HttpUrl {
    /// A default: `host` is a literal.
    ///
    /// # Panics
    /// On what is no host's name.
    #[expect(clippy::expect_used, reason = "only literals are given, and a test reads them all")]
    pub fn https(host: &'static str) -> Self {
        Self::parse(&format!("https://{host}")).expect("a host's name makes a URL")
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL without a slash at its end, ready for a path to be put after it.
    pub fn base(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// A network of IP addresses, for example `10.0.0.0/8`; one address alone is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits count.
    prefix: u8,
}

impl Network {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim().parse().ok()?, None),
        };
        let bits = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// True for addresses of this network; an IPv4 address may come mapped into IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let host_bits = |bits: u8| u32::from(bits.saturating_sub(self.prefix));
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(host_bits(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(host_bits(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Setting for Network {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match Self::parse(text(value, reader)?) {
            Some(network) => Some(network),
            None => reader.wrong(value, "must be an IP address or a network such as 10.0.0.0/8"),
        }
    }

    fn schema() -> Value {
        text_like("^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses() {
        let contains = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.1.2.3", "::ffff:10.1.2.3"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("fd00::/8", "fd12::1"));
        assert!(!contains("fd00::/8", "10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "::/129", "10.0.0", "example.com", "10.0.0.0/", "/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_is_printed_without_its_password() {
        let url = RedisUrl::parse("redis://user:canary@redis.internal:6379/0").unwrap();
        assert_eq!(url.to_string(), "redis://***@redis.internal:6379/0");
        assert_eq!(format!("{url:?}"), "redis://***@redis.internal:6379/0");
        assert_eq!(HttpUrl::parse("ftp://example.com"), None);
        assert_eq!(HttpUrl::parse("https://"), None);
    }
}
