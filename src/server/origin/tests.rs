use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.7";
const STRANGER: &str = "203.0.113.9";

/// Believes 10.0.0.0/8.
fn origins() -> Origins {
    Origins::new(None, |peer| matches!(peer, IpAddr::V4(v4) if v4.octets()[0] == 10))
}

fn ends(peer: &str) -> Ends {
    Ends { peer: format!("{peer}:4711").parse().unwrap(), local: Some("192.0.2.1:8080".parse().unwrap()) }
}

fn base_of(origins: &Origins, peer: &str, lines: &[(&'static str, &str)]) -> String {
    let headers = lines.iter().map(|(name, value)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    // Lines of one name stay apart.
    let mut map = HeaderMap::new();
    headers.for_each(|(name, value)| _ = map.append(name, value));
    origins.base(Sent { authority: None, headers: &map, ends: Some(ends(peer)) })
}

fn base(peer: &str, lines: &[(&'static str, &str)]) -> String {
    base_of(&origins(), peer, lines)
}

#[test]
fn the_public_url_goes_before_all_that_a_request_says() {
    let origins = Origins::new(Some("https://images.example.com/pictures".into()), |_| true);
    let lines = [("host", "evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(base_of(&origins, PROXY, &lines), "https://images.example.com/pictures");
}

#[test]
fn without_one_links_begin_with_the_host_of_the_request() {
    for host in
        ["gateway:8080", "127.0.0.1:8080", "images.example.com", "[::1]:8080", "[2001:db8::1]", "a_b.c"]
    {
        assert_eq!(base(STRANGER, &[("host", host)]), format!("http://{host}"));
    }
    let (authority, headers) = ("other.example:81".parse().unwrap(), HeaderMap::new());
    let sent = Sent { authority: Some(&authority), headers: &headers, ends: Some(ends(STRANGER)) };
    assert_eq!(origins().base(sent), "http://other.example:81");
}

#[test]
fn what_is_no_host_gives_way_to_the_address_of_the_connection() {
    let own = "http://192.0.2.1:8080";
    for wrong in [
        "",
        " ",
        "a b",
        "a/b",
        "a/../b",
        "user@a",
        "user:password@a",
        "a,b",
        "a:b",
        "a:0",
        "a:99999",
        "a:+80",
        "a:80:80",
        ":80",
        "a?b",
        "a#b",
        "a\\b",
        "[::1",
        "[::1]x",
        "[a]",
        "::1",
        "ä",
        "a\t",
        ".a",
        "-a",
        "<a>",
        "a\"",
    ] {
        assert_eq!(base(STRANGER, &[("host", wrong)]), own, "{wrong:?}");
    }
    assert_eq!(base(STRANGER, &[]), own);
    assert_eq!(base(STRANGER, &[("host", "a"), ("host", "b")]), own);
    assert_eq!(base(STRANGER, &[("host", &"a".repeat(300))]), own);
    let mapped = Ends { local: Some("[::ffff:192.0.2.1]:8080".parse().unwrap()), ..ends(STRANGER) };
    let sent = Sent { authority: None, headers: &HeaderMap::new(), ends: Some(mapped) };
    assert_eq!(origins().base(sent), own);
    let (authority, headers) = ("user@a".parse().unwrap(), HeaderMap::new());
    let sent = Sent { authority: Some(&authority), headers: &headers, ends: None };
    assert_eq!(origins().base(sent), "");
}

#[test]
fn forwarded_headers_are_believed_from_trusted_proxies_only() {
    let lines = [
        ("host", "gateway:8080"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "images.example.com"),
    ];
    assert_eq!(base(PROXY, &lines), "https://images.example.com");
    assert_eq!(base(STRANGER, &lines), "http://gateway:8080");
    assert_eq!(base(PROXY, &lines[..2]), "https://gateway:8080");
    let mut unseen = HeaderMap::new();
    unseen.insert(FORWARDED_HOST, HeaderValue::from_static("evil.example"));
    unseen.insert(HOST, HeaderValue::from_static("gateway"));
    assert_eq!(origins().base(Sent { authority: None, headers: &unseen, ends: None }), "http://gateway");
}

#[test]
fn of_what_a_client_and_its_proxy_say_the_proxys_counts() {
    let told = |host, scheme| {
        base(PROXY, &[("host", "a"), ("x-forwarded-host", host), ("x-forwarded-proto", scheme)])
    };
    assert_eq!(told("evil.example, images.example.com", "http, https"), "https://images.example.com");
    assert_eq!(told("b", "HTTPS"), "https://b");
    let lines = [("host", "a"), ("x-forwarded-host", "evil.example"), ("x-forwarded-host", "b")];
    assert_eq!(base(PROXY, &lines), "http://b");
}

#[test]
fn what_a_trusted_proxy_says_is_looked_at_all_the_same() {
    let told = |host, scheme| {
        base(PROXY, &[("host", "a"), ("x-forwarded-host", host), ("x-forwarded-proto", scheme)])
    };
    for host in ["user@b", "b/c", "b c", "b,", ""] {
        assert_eq!(told(host, "https"), "https://a", "{host:?}");
    }
    for scheme in ["javascript", "https:", "ftp", "https,", ""] {
        assert_eq!(told("b", scheme), "http://b", "{scheme:?}");
    }
}

proptest! {
    /// Headers hold no line breaks; all else may come.
    #[test]
    fn a_link_never_begins_with_more_than_scheme_host_and_port(host in "[ -~\\t]{0,40}") {
        let base = base(STRANGER, &[("host", &host)]);
        let url = url::Url::parse(&format!("{base}/images/a.png")).unwrap();
        prop_assert_eq!((url.scheme(), url.path(), url.username()), ("http", "/images/a.png", ""));
        prop_assert!(url.password().is_none() && url.query().is_none() && url.fragment().is_none());
    }
}
