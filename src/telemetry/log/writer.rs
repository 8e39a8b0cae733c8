//! The way of a line to stderr: handed over by whoever logs, written by a thread of its own.
//!
//! Whoever reads stderr may be slow, and a disk behind it busy for milliseconds: that must hold up the log alone, never
//! a request. Lines that come shortly after one another are written together. [`WAITING_MAX`] bounds what waits; lines
//! beyond it are left out, counted, and told of once there is room.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait while others are written, at most: some 3,000 requests' worth.
const WAITING_MAX: usize = 1 << 20;
/// Lines gather so long after others were written; the first one after a quiet time is written at once.
const GATHER: Duration = Duration::from_millis(5);
/// And no longer once so many bytes wait.
const ENOUGH: usize = WAITING_MAX / 4;
/// What a buffer keeps of its room when it is empty again.
const ROOM_KEPT: usize = 64 << 10;
/// How long the last lines may take when the process ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Lines that this process has left out.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were left out of the log: its reader was too slow for them, or they could not be written.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn count_dropped(lines: usize) {
    DROPPED.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Takes lines, and never waits.
pub(super) struct Lines(Arc<Shared>);

/// Stands for the thread that writes. Dropped, it lets the thread write what waits, for [`LAST_LINES`] at most.
#[must_use = "what is logged last is written when this is dropped"]
pub struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Wakes the thread.
    woken: Condvar,
    /// Tells that the thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines left out since the last was told.
    dropped: u64,
    /// What the thread does; whoever hands over a line wakes it only where that is of use.
    thread: Thread,
    closing: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Thread {
    #[default]
    Writes,
    /// Until [`GATHER`] is over, or [`ENOUGH`] is there.
    Gathers,
    /// Until there is a line.
    Sleeps,
    Ended,
}

/// Starts a thread that writes lines to `sink`.
///
/// # Errors
/// The system has no thread to give.
pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<(Lines, LogWriter)> {
    let shared = Arc::new(Shared::default());
    let of_thread = Arc::clone(&shared);
    thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_all_to(sink))?;
    Ok((Lines(Arc::clone(&shared)), LogWriter(shared)))
}

impl Shared {
    /// Nothing here can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING_MAX {
            waiting.dropped += 1;
            count_dropped(1);
            return;
        }
        waiting.lines.extend_from_slice(line);
        let enough = waiting.lines.len() >= ENOUGH;
        if waiting.thread == Thread::Sleeps || (waiting.thread == Thread::Gathers && enough) {
            waiting.thread = Thread::Writes;
            drop(waiting);
            self.woken.notify_one();
        }
    }

    fn write_all_to(&self, sink: impl Write) {
        let mut paper = Paper { sink, broken: false };
        let mut batch = Vec::new();
        while let Some(dropped) = self.next(&mut batch) {
            // Before they are written: now there is room to tell of it.
            if dropped > 0 {
                tracing::warn!(lines = dropped, "log lines were left out: whoever reads the log is too slow");
            }
            count_dropped(paper.write(&batch));
            batch.clear();
            batch.shrink_to(ROOM_KEPT);
        }
        self.lock().thread = Thread::Ended;
        self.ended.notify_all();
    }

    /// Waits for lines and puts them into the empty `batch`; returns how many were left out behind them. None at the
    /// end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut waiting = self.lock();
        if waiting.lines.len() < ENOUGH && !waiting.closing {
            waiting.thread = Thread::Gathers;
            let gathers = |waiting: &mut Waiting| waiting.thread == Thread::Gathers;
            let gathered = self.woken.wait_timeout_while(waiting, GATHER, gathers);
            (waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        }
        while waiting.lines.is_empty() && !waiting.closing {
            waiting.thread = Thread::Sleeps;
            waiting = self.woken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.thread = Thread::Writes;
        std::mem::swap(&mut waiting.lines, batch);
        let dropped = std::mem::take(&mut waiting.dropped);
        (!batch.is_empty() || dropped > 0).then_some(dropped)
    }
}

/// What lines are written to.
struct Paper<W> {
    sink: W,
    /// The last line was not written to its end.
    broken: bool,
}

impl<W: Write> Paper<W> {
    /// Writes whole lines; returns how many of them could not be written, and are left out.
    fn write(&mut self, lines: &[u8]) -> usize {
        if self.broken {
            self.broken = self.write_some(b"\n") == 0;
        }
        let written = if self.broken { 0 } else { self.write_some(lines) };
        let (done, left) = lines.split_at(written);
        self.broken |= done.last().is_some_and(|byte| *byte != b'\n');
        left.split_inclusive(|byte| *byte == b'\n').count()
    }

    /// How many of the bytes could be written. A sink that takes none for now is asked again.
    fn write_some(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(GATHER),
                Err(_) => break,
            }
        }
        written
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closing = true;
        if waiting.thread != Thread::Ended {
            waiting.thread = Thread::Writes;
        }
        self.0.woken.notify_one();
        let writes = |waiting: &mut Waiting| waiting.thread != Thread::Ended;
        // Whoever does not read by then does not get to see the last lines.
        drop(self.0.ended.wait_timeout_while(waiting, LAST_LINES, writes));
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(&self.0)
    }
}

/// Takes one line, in one piece.
pub(super) struct Line<'a>(&'a Shared);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
