//! A stand-in for Evolink that says exactly the bytes it is told to say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens after a reply's bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The connection stays open for the next request.
    Keep,
    Close,
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// The last bytes are sent again and again.
    Endless,
}

/// One scripted reply.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub bytes: Vec<u8>,
    pub then: Then,
}

impl Reply {
    /// A whole answer; `headers` are lines without their ends.
    pub(super) fn whole(status: u16, headers: &[&str], body: &str) -> Self {
        let headers = headers.iter().flat_map(|line| [*line, "\r\n"]).collect::<String>();
        let length = body.len();
        Self::raw(
            &format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}"),
            Then::Keep,
        )
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self::whole(200, &["content-type: application/json"], &body.to_string())
    }

    pub(super) fn raw(bytes: &str, then: Then) -> Self {
        Self { bytes: bytes.as_bytes().to_vec(), then }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `POST /v1/images/generations HTTP/1.1`.
    pub line: String,
    /// Header lines, names in lower case.
    pub headers: Vec<String>,
    pub body: String,
    /// The body as it came, where it is no text.
    pub bytes: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    seen: Vec<Seen>,
    connections: usize,
}

/// Listens on a port of its own until dropped. The last reply is repeated.
pub(super) struct Script {
    pub url: String,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Script {
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            Arc::new(Mutex::new(State { replies: replies.into_iter().collect(), ..State::default() }));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { url, state, _tasks: tasks }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.lock().unwrap().connections += 1;
        connections.spawn(talk(stream, Arc::clone(&state)));
    }
}

async fn talk(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Some(seen) = hear(&mut stream).await {
        let reply = {
            let mut state = state.lock().unwrap();
            state.seen.push(seen);
            if state.replies.len() > 1 { state.replies.pop_front() } else { state.replies.front().cloned() }
        };
        let reply = reply.expect("a script has a reply");
        if stream.write_all(&reply.bytes).await.is_err() {
            return;
        }
        match reply.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Hang => std::future::pending().await,
            Then::Endless => while stream.write_all(&[b'x'; 8_192]).await.is_ok() {},
        }
    }
}

/// One request with its body, by Content-Length.
async fn hear(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let mut seen =
        Seen { line: lines.next()?, headers: lines.collect(), body: String::new(), bytes: Vec::new() };
    let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    let already = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[already..]).await.ok()?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    seen.bytes = body;
    Some(seen)
}
