use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A guard whose names all resolve to these addresses, and the number of times it looked.
fn guard_over(addresses: &[&str]) -> (Guard, Arc<AtomicUsize>) {
    let found: Vec<SocketAddr> =
        addresses.iter().map(|ip| SocketAddr::new(ip.parse().expect(ip), 0)).collect();
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    let lookup: Lookup = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let found = found.clone();
        Box::pin(async move { Ok(found) })
    });
    (Guard::with_lookup(false, lookup), looks)
}

fn guard_that_finds_nothing() -> Guard {
    Guard::with_lookup(false, Arc::new(|_| Box::pin(async { Err(io::ErrorKind::NotFound.into()) })))
}

#[tokio::test]
async fn every_written_form_of_an_inside_address_is_refused_without_asking_a_resolver() {
    let (guard, looks) = guard_over(&["93.184.215.14"]);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1:8443",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:a00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "0",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "%31%32%37.0.0.1",
    ] {
        let url = format!("https://{host}/a.png");
        assert_eq!(guard.check_reference(&url).await, Err(Refusal::PrivateAddress.into()), "{url}");
    }
    assert_eq!(looks.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_passes_only_when_all_its_addresses_are_public() {
    let url = "https://pictures.example/a.png?x=1";
    let (guard, _) = guard_over(&["93.184.215.14", "2606:4700::1"]);
    assert_eq!(guard.check_reference(url).await, Ok(()));
    for host in ["localhost", "localhost.", "bücher.example", "a.example:8443"] {
        let url = format!("https://{host}/");
        assert_eq!(guard.check_reference(&url).await, Ok(()), "only the addresses decide: {url}");
    }
    let (guard, _) = guard_over(&["93.184.215.14", "10.0.0.7"]);
    assert_eq!(guard.check_reference(url).await, Err(Refusal::PrivateAddress.into()));
    let (guard, _) = guard_over(&[]);
    assert_eq!(guard.check_reference(url).await, Err(ReferenceError::Unresolved));
    assert_eq!(guard_that_finds_nothing().check_reference(url).await, Err(ReferenceError::Unresolved));
}

#[tokio::test]
async fn what_is_no_plain_https_url_is_refused() {
    let (guard, _) = guard_over(&["93.184.215.14"]);
    let table = [
        ("http://pictures.example/a.png", Refusal::Scheme),
        ("ftp://pictures.example/a.png", Refusal::Scheme),
        ("file:///etc/passwd", Refusal::Scheme),
        ("data:image/png;base64,AAAA", Refusal::Scheme),
        ("javascript:alert(1)", Refusal::Scheme),
        ("https://user@pictures.example/", Refusal::Credentials),
        ("https://user:secret@pictures.example/", Refusal::Credentials),
        ("https://:secret@pictures.example/", Refusal::Credentials),
        ("https://", Refusal::NotAUrl),
        ("https:///", Refusal::NotAUrl),
        ("pictures.example/a.png", Refusal::NotAUrl),
        ("", Refusal::NotAUrl),
        ("https://pictures.example\\@inside/", Refusal::NotAUrl),
        ("https://pictures.ex\tample/", Refusal::NotAUrl),
        (" https://pictures.example/", Refusal::NotAUrl),
        ("https://pictures.example:99999/", Refusal::NotAUrl),
    ];
    for (url, refusal) in table {
        assert_eq!(guard.check_reference(url).await, Err(refusal.into()), "{url}");
    }
}

#[tokio::test]
async fn a_reference_has_a_longest_length() {
    let (guard, _) = guard_over(&["93.184.215.14"]);
    let mut url = String::from("https://pictures.example/");
    url.extend(std::iter::repeat_n('a', REFERENCE_LENGTH_MAX - url.len()));
    assert_eq!(guard.check_reference(&url).await, Ok(()));
    url.push('a');
    assert_eq!(guard.check_reference(&url).await, Err(ReferenceError::TooLong));
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_never_answers_is_given_up() {
    let guard = Guard::with_lookup(false, Arc::new(|_| Box::pin(std::future::pending())));
    assert_eq!(guard.check_reference("https://pictures.example/").await, Err(ReferenceError::Unresolved));
}

#[tokio::test]
async fn behind_a_proxy_unknown_names_pass_and_known_inside_names_do_not() {
    let guard = guard_that_finds_nothing().behind_proxy(true);
    assert_eq!(guard.check_reference("https://pictures.example/").await, Ok(()));
    let (guard, _) = guard_over(&["10.0.0.7"]);
    let refused = guard.behind_proxy(true).check_reference("https://pictures.example/").await;
    assert_eq!(refused, Err(Refusal::PrivateAddress.into()));
}

#[tokio::test]
async fn with_private_addresses_allowed_http_and_loopback_pass_and_credentials_do_not() {
    let guard = Guard::new(true);
    for url in ["http://127.0.0.1:8080/a.png", "https://[::1]/a.png", "http://simulator/a.png"] {
        assert_eq!(guard.check_reference(url).await, Ok(()), "{url}");
    }
    let refused = guard.check_reference("http://user:secret@127.0.0.1/").await;
    assert_eq!(refused, Err(Refusal::Credentials.into()));
    assert_eq!(guard.check_reference("file:///etc/passwd").await, Err(Refusal::Scheme.into()));
}

#[tokio::test]
async fn the_resolver_hands_out_exactly_what_it_judged() {
    let (guard, looks) = guard_over(&["93.184.215.14", "2606:4700::1"]);
    let name = || "pictures.example".parse::<Name>().expect("a name");
    let dialled: Vec<SocketAddr> = guard.resolve(name()).await.expect("public").collect();
    assert_eq!(
        dialled.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["93.184.215.14", "2606:4700::1"]
    );
    assert_eq!(looks.load(Ordering::SeqCst), 1);

    let (guard, _) = guard_over(&["93.184.215.14", "127.0.0.1"]);
    let refused = guard.resolve(name()).await.map(Iterator::count).expect_err("an inside address");
    assert!(matches!(refused.downcast_ref(), Some(HostError::Private)));
}
