//! A load that costs next to nothing: one request, the same bytes each time, on connections that stay open.
//!
//! Of most answers only head and length are looked at; their bytes are dropped in the kernel (`MSG_TRUNC`, tcp(7)), so
//! that the load's core keeps up with a server that sends gigabytes in a second. Every [`LOOK_EVERY`]th answer of a
//! connection is read and compared byte by byte.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::Error;

/// What `recv` takes to drop bytes instead of copying them; the same on every architecture of Linux.
const MSG_TRUNC: i32 = 0x20;
/// Bytes dropped by one call at most.
const DROPPED_AT_ONCE: usize = 1 << 20;
/// The first answer of a connection is compared, and then every so many.
const LOOK_EVERY: usize = 64;
/// A head that is longer is none.
const HEAD_MAX: usize = 8 * 1024;
/// Longest time an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is asked, of whom, and what must come.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) request: Bytes,
    /// The body of the answer; none: nothing is known of it yet.
    pub(crate) body: Option<Bytes>,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    answers: usize,
    /// Room for what is dropped. Nothing is written to it, so it takes no memory either.
    nowhere: Vec<u8>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answers: 0, nowhere: Vec::with_capacity(DROPPED_AT_ONCE) })
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(&mut self, target: &Target) -> Result<Answer, Error> {
        self.stream.write_all(&target.request).await?;
        let (head, mut body, length) = self.head().await?;
        let begun = body.len();
        body.resize(length, 0);
        let rest = body.get_mut(begun..).ok_or("an answer longer than its head says")?;
        self.stream.read_exact(rest).await?;
        Ok(Answer { head, body: body.into() })
    }

    /// Asks, and sees that what must come has come.
    pub(crate) async fn hit(&mut self, target: &Target) -> Result<(), Error> {
        let look = self.answers.is_multiple_of(LOOK_EVERY);
        self.answers += 1;
        let Some(body) = &target.body else { return Err("nobody knows what is to come".into()) };
        if look {
            let answer = self.ask(target).await?;
            return if answer.body == *body { Ok(()) } else { Err("an answer has other bytes".into()) };
        }
        self.stream.write_all(&target.request).await?;
        let (_, begun, length) = self.head().await?;
        if length != body.len() {
            return Err(format!("an answer of {length} bytes where {} were due", body.len()).into());
        }
        self.drop_bytes(length.checked_sub(begun.len()).ok_or("an answer longer than its head says")?).await
    }

    /// The head, what of the body came with it, and how long the body is.
    async fn head(&mut self) -> Result<(String, Vec<u8>, usize), Error> {
        let mut read = Vec::with_capacity(2048);
        loop {
            if self.stream.read_buf(&mut read).await? == 0 {
                return Err("a connection was closed instead of an answer".into());
            }
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = read.split_off(end + 4);
                let head = String::from_utf8(read)?.to_ascii_lowercase();
                if !head.starts_with("http/1.1 200 ") {
                    return Err(format!("answered {}", head.lines().next().unwrap_or_default()).into());
                }
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length = length.ok_or("an answer without a length")?.parse()?;
                return Ok((head, body, length));
            }
            if read.len() > HEAD_MAX {
                return Err("an answer's head has no end".into());
            }
        }
    }

    async fn drop_bytes(&mut self, mut left: usize) -> Result<(), Error> {
        let socket = SockRef::from(&self.stream);
        while left > 0 {
            let most = left.min(DROPPED_AT_ONCE);
            let room = self.nowhere.spare_capacity_mut().get_mut(..most).ok_or("no room")?;
            let dropped =
                self.stream.async_io(Interest::READABLE, || socket.recv_with_flags(room, MSG_TRUNC)).await?;
            if dropped == 0 {
                return Err("an answer broke off".into());
            }
            left -= dropped;
        }
        Ok(())
    }
}

/// How long the answers took, and the round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
}

/// `clients` that ask again as soon as they are answered, until `time` has passed.
pub(crate) async fn saturate(target: &Target, clients: usize, time: Duration) -> Result<Round, Error> {
    let mut tasks = JoinSet::new();
    let connections = open(target, clients).await?;
    let began = Instant::now();
    for mut connection in connections {
        let target = target.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < time {
                let asked = Instant::now();
                timeout(PATIENCE, connection.hit(&target)).await??;
                times.push(asked.elapsed());
            }
            Ok::<_, Error>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    Ok(Round { times, took: began.elapsed() })
}

/// Each of `clients` asks `times` over, all of them beginning at once.
pub(crate) async fn crowd(target: &Target, clients: usize, times: usize) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    for mut connection in open(target, clients).await? {
        let target = target.clone();
        tasks.spawn(async move {
            for _ in 0..times {
                timeout(PATIENCE, connection.hit(&target)).await??;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn open(target: &Target, clients: usize) -> Result<Vec<Connection>, Error> {
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        connections.push(Connection::open(target.address).await?);
    }
    Ok(connections)
}

/// Asks `per_second` times a second, whether or not earlier requests are answered. An answer's time begins when its
/// request was due: one that had to wait for a connection has waited.
pub(crate) async fn pace(
    target: &Target,
    clients: usize,
    per_second: f64,
    time: Duration,
) -> Result<Round, Error> {
    let (back, mut idle) = mpsc::channel(clients);
    for connection in open(target, clients).await? {
        back.send(connection).await?;
    }
    let every = Duration::from_secs_f64(1.0 / per_second.max(1.0));
    let (mut tasks, mut times) = (JoinSet::new(), Vec::new());
    let began = Instant::now();
    let mut due = began;
    while due < began + time {
        // The timer is too coarse for this, and this core has nothing else to do.
        while Instant::now() < due {
            yield_now().await;
        }
        let mut connection: Connection = idle.recv().await.ok_or("no connection is left")?;
        let (target, back) = (target.clone(), back.clone());
        tasks.spawn(async move {
            timeout(PATIENCE, connection.hit(&target)).await??;
            let took = due.elapsed();
            back.send(connection).await?;
            Ok::<_, Error>(took)
        });
        while let Some(ended) = tasks.try_join_next() {
            times.push(ended??);
        }
        due += every;
    }
    while let Some(ended) = tasks.join_next().await {
        times.push(ended??);
    }
    Ok(Round { times, took: began.elapsed() })
}
