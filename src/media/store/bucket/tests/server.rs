//! A server of S3's protocol as far as the store speaks it, with objects in memory, that misbehaves when asked to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use tokio::task::JoinSet;

use super::*;

/// Keys on one page of a listing.
const PAGE: usize = 3;
pub(super) const NOON: i64 = 1_750_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A status with S3's code, and with words that must go no further.
    Answer(u16, &'static str),
    /// The answer breaks off in the middle; nothing is done.
    Cut,
    Silence,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) media_type: String,
    /// In seconds of Unix time.
    pub(super) put: i64,
}

impl Object {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), media_type: String::new(), put: NOON }
    }

    fn e_tag(&self) -> String {
        format!("\"{}\"", &ContentHash::of(&self.bytes).to_string()[..16])
    }

    fn date(&self, format: &str) -> String {
        Timestamp::from_second(self.put).unwrap().strftime(format).to_string()
    }
}

#[derive(Default)]
pub(super) struct Shared {
    objects: Mutex<BTreeMap<String, Object>>,
    /// One for each call; None: this one is answered well.
    next: Mutex<VecDeque<Option<Trouble>>>,
    always: Mutex<Option<Trouble>>,
    /// Comes into the place of the next object that is read, right after that.
    replacement: Mutex<Option<Object>>,
    /// Comes into the place of the next object that is looked at, right before that.
    newcomer: Mutex<Option<Object>>,
    pub(super) signed: AtomicBool,
    pub(super) calls: AtomicUsize,
}

pub(super) struct Server {
    shared: Arc<Shared>,
    endpoint: String,
    _serving: JoinSet<()>,
}

impl std::ops::Deref for Server {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { shared, endpoint, _serving: serving }
    }

    pub(super) fn bucket(&self, max_bytes: u64) -> Bucket {
        self.bucket_at("/a/b/", max_bytes)
    }

    pub(super) fn bucket_at(&self, prefix: &str, max_bytes: u64) -> Bucket {
        let options = BucketOptions {
            bucket: "pictures".to_owned(),
            prefix: prefix.to_owned(),
            region: "eu-1".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            keys: Some(("id".to_owned(), "secret".into())),
            path_style: false,
        };
        Bucket::new(&options, max_bytes).unwrap()
    }

    pub(super) fn next(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.shared.next.lock().unwrap().extend(troubles.into_iter().map(Some));
    }

    /// After so many calls that are answered well.
    pub(super) fn fail_after(&self, calls: usize, trouble: Trouble) {
        let mut next = self.shared.next.lock().unwrap();
        next.extend(std::iter::repeat_n(None, calls));
        next.push_back(Some(trouble));
    }

    pub(super) fn always(&self, trouble: Option<Trouble>) {
        *self.shared.always.lock().unwrap() = trouble;
    }

    pub(super) fn replace_next(&self, object: Object) {
        *self.shared.replacement.lock().unwrap() = Some(object);
    }

    pub(super) fn put_before_next_look(&self, object: Object) {
        *self.shared.newcomer.lock().unwrap() = Some(object);
    }

    pub(super) fn write(&self, key: &str, object: Object) {
        self.shared.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    pub(super) fn object(&self, key: &str) -> Option<Object> {
        self.shared.objects.lock().unwrap().get(key).cloned()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.shared.objects.lock().unwrap().keys().cloned().collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.calls.fetch_add(1, SeqCst);
    let (head, body) = request.into_parts();
    let signed =
        head.headers.get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC"));
    shared.signed.store(signed, SeqCst);
    let next = shared.next.lock().unwrap().pop_front();
    let trouble = next.unwrap_or(*shared.always.lock().unwrap());
    let sent = to_bytes(body, usize::MAX).await.unwrap();
    match trouble {
        Some(Trouble::Answer(status, code)) => return error(status, code),
        Some(Trouble::Silence) => std::future::pending().await,
        Some(Trouble::Cut) | None => {}
    }
    let cut = trouble == Some(Trouble::Cut);
    let path = head.uri.path().trim_start_matches("/pictures").trim_start_matches('/').to_owned();
    let mut objects = shared.objects.lock().unwrap();
    if cut && head.method != Method::GET {
        return whole_or_cut(
            &Bytes::from_static(b"<Result>not to its end</Result>"),
            true,
            &HeaderMap::new(),
        );
    }
    match head.method {
        Method::GET if path.is_empty() => list(&objects, head.uri.query().unwrap_or_default()),
        Method::GET | Method::HEAD => {
            if head.method == Method::HEAD
                && let Some(newcomer) = shared.newcomer.lock().unwrap().take()
            {
                objects.insert(path.clone(), newcomer);
            }
            let Some(object) = objects.get(&path).cloned() else { return error(404, "NoSuchKey") };
            if head.method == Method::GET
                && let Some(replacement) = shared.replacement.lock().unwrap().take()
            {
                objects.insert(path, replacement);
            }
            let mut response = whole_or_cut(&object.bytes, cut, &head.headers);
            response.headers_mut().insert("etag", object.e_tag().parse().unwrap());
            let date = object.date("%a, %d %b %Y %H:%M:%S GMT");
            response.headers_mut().insert("last-modified", date.parse().unwrap());
            response
        }
        Method::PUT => {
            let media_type = head.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
            let object = Object { media_type: media_type.to_owned(), ..Object::of(sent.to_vec()) };
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert("etag", object.e_tag().parse().unwrap());
            objects.insert(path, object);
            response
        }
        Method::DELETE => {
            objects.remove(&path);
            Response::builder().status(204).body(Body::empty()).unwrap()
        }
        _ => error(405, "MethodNotAllowed"),
    }
}

fn error(status: u16, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>quoted</Message></Error>");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// The bytes, or the part of them that is asked for; or half of that, though all was announced.
fn whole_or_cut(bytes: &Bytes, cut: bool, asked: &HeaderMap) -> Response {
    let from = asked.get("range").and_then(|range| {
        range.to_str().ok()?.strip_prefix("bytes=")?.split('-').next()?.parse::<usize>().ok()
    });
    let length = bytes.len();
    let part = bytes.slice(from.unwrap_or(0)..);
    let mut response = Response::builder().header("content-length", part.len());
    if let Some(from) = from {
        let range = format!("bytes {from}-{}/{length}", length - 1);
        response = response.status(206).header("content-range", range);
    }
    if !cut {
        return response.body(Body::from(part)).unwrap();
    }
    let half = part.slice(..part.len() / 2);
    let pieces = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
    response.body(Body::from_stream(pieces)).unwrap()
}

fn list(objects: &BTreeMap<String, Object>, query: &str) -> Response {
    let asked: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let prefix = asked.get("prefix").cloned().unwrap_or_default();
    let after = asked.get("continuation-token").or(asked.get("start-after")).cloned().unwrap_or_default();
    let matching = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page: Vec<_> = matching.clone().take(PAGE).collect();
    let mut xml = "<ListBucketResult>".to_owned();
    for (key, object) in &page {
        let (date, size, e_tag) = (object.date("%Y-%m-%dT%H:%M:%S.000Z"), object.bytes.len(), object.e_tag());
        let _ = write!(
            xml,
            "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{date}</LastModified><ETag>{e_tag}</ETag></Contents>"
        );
    }
    if let Some((last, _)) = page.last().filter(|_| matching.count() > PAGE) {
        let _ = write!(
            xml,
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        );
    }
    xml.push_str("</ListBucketResult>");
    Response::new(Body::from(xml))
}
