use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::image::{Format, Pixels};
use crate::media::picture::samples;

/// What the media host does with one connection, after it has read the request's head.
#[derive(Clone)]
enum Step {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes, then nothing, without closing.
    SendAndHang(Vec<u8>),
    /// Sends this head, then bytes for ever.
    Endless(&'static str),
}

/// A media host that plays its steps, one a connection; the last one again and again.
struct MediaHost {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _running: JoinSet<()>,
}

impl MediaHost {
    async fn playing(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut running = JoinSet::new();
        let seen = Arc::clone(&heads);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            for turn in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let step = steps.get(turn).or(steps.last()).cloned();
                connections.spawn(play(stream, step, Arc::clone(&seen)));
            }
        });
        Self { address, heads, _running: running }
    }

    fn url(&self) -> String {
        format!("http://{}/a.png?signature=secret", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn play(mut stream: TcpStream, step: Option<Step>, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().expect("not poisoned").push(String::from_utf8_lossy(&head).to_lowercase());
    match step {
        Some(Step::Send(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Some(Step::SendAndHang(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Some(Step::Endless(head)) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
        }
        None => {}
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer(&format!("200 OK\r\ncontent-length: {}", body.len()), body)
}

fn png() -> Vec<u8> {
    samples::encoded(Format::Png, 20, 10)
}

fn options() -> FetchOptions {
    FetchOptions {
        allow_private: true,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(5),
        max_bytes: 100_000,
        retry_pause: Duration::from_millis(1),
        ..FetchOptions::default()
    }
}

/// Fetches once from a host that plays the steps; also tells how many requests that took.
async fn fetched(
    options: FetchOptions,
    steps: impl IntoIterator<Item = Step>,
) -> (Result<Picture, FetchError>, usize) {
    let host = MediaHost::playing(steps).await;
    let outcome = Fetcher::new(options).expect("a fetcher").fetch(&host.url()).await;
    (outcome, host.heads().len())
}

#[tokio::test]
async fn a_picture_arrives_whole_with_format_and_size_read_from_its_bytes() {
    for format in Format::ALL {
        let file = samples::encoded(format, 20, 10);
        let lying = format!("200 OK\r\ncontent-type: text/html\r\ncontent-length: {}", file.len());
        let (outcome, requests) = fetched(options(), [Step::Send(answer(&lying, &file))]).await;
        let picture = outcome.expect("a picture");
        assert_eq!((picture.format(), picture.pixels()), (format, Pixels::new(20, 10)));
        assert_eq!((picture.bytes().as_ref(), requests), (file.as_slice(), 1));
    }
}

#[tokio::test]
async fn a_picture_without_a_promised_length_arrives_too() {
    let file = png();
    let chunked = [format!("{:x}\r\n", file.len()).as_bytes(), file.as_slice(), b"\r\n0\r\n\r\n"].concat();
    for body in [answer("200 OK\r\ntransfer-encoding: chunked", &chunked), answer("200 OK", &file)] {
        let (outcome, _) = fetched(options(), [Step::Send(body)]).await;
        assert_eq!(outcome.expect("a picture").bytes().as_ref(), file.as_slice());
    }
}

#[tokio::test]
async fn the_request_names_the_product_and_carries_no_credentials() {
    let host = MediaHost::playing([Step::Send(ok(&png()))]).await;
    Fetcher::new(options()).expect("a fetcher").fetch(&host.url()).await.expect("a picture");
    let heads = host.heads();
    let head = heads.first().expect("a request");
    let agent = format!("\r\nuser-agent: evolink-gateway/{} (+image gateway)\r\n", env!("CARGO_PKG_VERSION"));
    assert!(head.starts_with("get /a.png?signature=secret http/1.1\r\n") && head.contains(&agent), "{head}");
    for name in ["authorization", "cookie", "referer", "accept-encoding", "api-key"] {
        assert!(!head.contains(&format!("\r\n{name}:")), "{head}");
    }
}

#[tokio::test]
async fn a_cut_body_is_fetched_once_more() {
    let file = png();
    let cut = Step::Send(answer(&format!("200 OK\r\ncontent-length: {}", file.len()), &file[..50]));
    let (outcome, requests) = fetched(options(), [cut.clone(), Step::Send(ok(&file))]).await;
    assert_eq!((outcome.expect("a picture").bytes().as_ref(), requests), (file.as_slice(), 2));
    assert_eq!(fetched(options(), [cut]).await, (Err(FetchError::Cut), 2), "and only once");
}

#[tokio::test]
async fn a_cut_shows_without_a_promised_length_as_well() {
    let file = png();
    let unframed = Step::Send(answer("200 OK", &file[..50]));
    assert_eq!(fetched(options(), [unframed]).await, (Err(FetchError::Cut), 2));
    let chunked = [b"ff\r\n", &file[..50]].concat();
    let chunked = Step::Send(answer("200 OK\r\ntransfer-encoding: chunked", &chunked));
    assert_eq!(fetched(options(), [chunked]).await, (Err(FetchError::Cut), 2));
    let silent = Step::Send(Vec::new());
    assert_eq!(fetched(options(), [silent]).await, (Err(FetchError::Cut), 2));
}

#[tokio::test]
async fn a_server_error_is_asked_once_more_and_a_client_error_is_not() {
    let status = |line: &str| Step::Send(answer(&format!("{line}\r\ncontent-length: 0"), b""));
    let (outcome, requests) = fetched(options(), [status("503 Busy"), Step::Send(ok(&png()))]).await;
    assert!(outcome.is_ok() && requests == 2);
    for (line, code, requests) in [
        ("500 Oops", 500, 2),
        ("400 Bad", 400, 1),
        ("403 Forbidden", 403, 1),
        ("404 Not Found", 404, 1),
        ("410 Gone", 410, 1),
        ("429 Slow", 429, 1),
        ("204 Nothing", 204, 1),
        ("206 Part", 206, 1),
    ] {
        assert_eq!(
            fetched(options(), [status(line)]).await,
            (Err(FetchError::Status(code)), requests),
            "{line}"
        );
    }
}

#[tokio::test]
async fn redirects_are_never_followed() {
    let elsewhere = MediaHost::playing([Step::Send(ok(&png()))]).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("{status} Elsewhere\r\ncontent-length: 0\r\nlocation: {}", elsewhere.url());
        let outcome = fetched(options(), [Step::Send(answer(&head, b""))]).await;
        assert_eq!(outcome, (Err(FetchError::Refused(Refusal::Redirect)), 1));
    }
    assert_eq!(elsewhere.heads().len(), 0);
}

#[tokio::test]
async fn what_is_no_whole_picture_is_told_apart_and_not_asked_for_again() {
    let file = png();
    for (body, error) in [
        (ok(b"<html>expired</html>"), FetchError::NotAPicture),
        (ok(b"GIF89a...."), FetchError::NotAPicture),
        (ok(b""), FetchError::Empty),
        (ok(&file[..50]), FetchError::Incomplete),
        // the promise is too small: the rest is never read
        (answer("200 OK\r\ncontent-length: 50", &file), FetchError::Incomplete),
        // never inflated: gzip's own magic is what is seen
        (
            answer("200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4", b"\x1f\x8b\x08\0"),
            FetchError::NotAPicture,
        ),
    ] {
        assert_eq!(fetched(options(), [Step::Send(body)]).await, (Err(error), 1));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_by_its_promise_or_when_it_gets_there() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ] {
        let outcome = fetched(options(), [Step::Endless(head)]).await;
        assert_eq!(outcome, (Err(FetchError::TooLarge(100_000)), 1), "{head}");
    }
}

#[tokio::test]
async fn silence_in_head_or_body_ends_in_a_time_out() {
    let short = Duration::from_millis(60);
    for options in [
        FetchOptions { read_timeout: short, ..options() },
        FetchOptions { total_timeout: short, ..options() },
    ] {
        for sent in [Vec::new(), ok(&png())[..120].to_vec()] {
            let outcome = fetched(options.clone(), [Step::SendAndHang(sent)]).await;
            assert_eq!(outcome, (Err(FetchError::Timeout), 2));
        }
    }
}

#[tokio::test]
async fn a_closed_port_is_a_connection_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let outcome = Fetcher::new(options()).expect("a fetcher").fetch(&url).await;
    assert_eq!(outcome, Err(FetchError::Connect));
}

#[tokio::test]
async fn inside_addresses_are_refused_before_any_connection() {
    let host = MediaHost::playing([Step::Send(ok(&png()))]).await;
    let strict = FetchOptions { allow_private: false, ..options() };
    let fetcher = Fetcher::new(strict.clone()).expect("a fetcher");
    assert_eq!(fetcher.fetch(&host.url()).await, Err(Refusal::Scheme.into()));
    let https = host.url().replace("http:", "https:");
    assert_eq!(fetcher.fetch(&https).await, Err(Refusal::PrivateAddress.into()));

    let (inside, port) = (host.address, host.address.port());
    let lookup = move |_| -> futures_util::future::BoxFuture<'static, _> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([93, 184, 215, 14], 0)), inside]) })
    };
    let guard = Guard::with_lookup(false, Arc::new(lookup));
    let named = format!("https://pictures.example:{port}/a.png");
    for proxy in [None, Some(format!("http://{inside}"))] {
        let options = FetchOptions { proxy, ..strict.clone() };
        let fetcher = Fetcher::with_guard(options, guard.clone()).expect("a fetcher");
        assert_eq!(fetcher.fetch(&named).await, Err(Refusal::PrivateAddress.into()));
    }
    assert_eq!(host.heads().len(), 0);
}

#[tokio::test]
async fn an_egress_proxy_is_used_when_one_is_set() {
    let proxy = MediaHost::playing([Step::Send(ok(&png()))]).await;
    let options = FetchOptions { proxy: Some(format!("http://{}", proxy.address)), ..options() };
    let fetcher = Fetcher::new(options).expect("a fetcher");
    fetcher.fetch("http://pictures.example/a.png").await.expect("a picture by way of the proxy");
    let heads = proxy.heads();
    assert!(heads[0].starts_with("get http://pictures.example/a.png http/1.1\r\n"), "{heads:?}");
}

#[test]
fn a_wrong_proxy_is_told_when_the_fetcher_is_built() {
    let options = FetchOptions { proxy: Some("http://user:secret@".into()), ..options() };
    let error = Fetcher::new(options).map(drop).expect_err("no such proxy");
    assert!(matches!(error, FetchBuildError::Proxy) && !error.to_string().contains("secret"));
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_allowed() {
    let host = MediaHost::playing([Step::SendAndHang(Vec::new()), Step::Send(ok(&png()))]).await;
    let fetcher = Fetcher::new(FetchOptions { concurrent: 1, ..options() }).expect("a fetcher");
    let url = host.url();
    let mut hanging = Box::pin(fetcher.fetch(&url));
    while host.heads().is_empty() {
        assert!(futures_util::poll!(&mut hanging).is_pending());
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(fetcher.fetch(&url));
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(host.heads().len(), 1, "the second waits for its permit");
    drop(hanging);
    waiting.await.expect("a fetch that is dropped frees its permit");
}

#[test]
fn what_may_succeed_later_is_transient() {
    use FetchError::{Connect, Cut, Empty, Incomplete, NotAPicture, Refused, Status, Timeout, TooLarge};
    for error in [Cut, Timeout, Connect, Status(429), Status(500), Status(503)] {
        assert!(error.is_transient(), "{error}");
    }
    for error in
        [Refused(Refusal::Scheme), Status(404), Status(403), TooLarge(1), NotAPicture, Incomplete, Empty]
    {
        assert!(!error.is_transient(), "{error}");
    }
}
