use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::*;

/// Hands on what is written to it, and writes nothing more until it is told to.
struct Slow {
    wrote: Sender<Vec<u8>>,
    goes_on: Receiver<()>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wrote.send(bytes.to_vec()).unwrap();
        // The test has ended: so may this.
        self.goes_on.recv().or(Ok::<_, io::Error>(())).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Set {
    lines: Lines,
    writer: LogWriter,
    wrote: Receiver<Vec<u8>>,
    go_on: Sender<()>,
}

fn set() -> Set {
    let (wrote, written) = channel();
    let (go_on, goes_on) = channel();
    let (lines, writer) = start(Slow { wrote, goes_on }).unwrap();
    Set { lines, writer, wrote: written, go_on }
}

fn log(lines: &Lines, line: &str) {
    lines.make_writer().write_all(line.as_bytes()).unwrap();
}

#[test]
fn lines_come_out_whole_and_in_order() {
    let Set { lines, writer, wrote, go_on } = set();
    let mut due = String::new();
    for number in 0..1_000 {
        let line = format!("line {number}\n");
        log(&lines, &line);
        due.push_str(&line);
    }
    let mut written = Vec::new();
    while written.len() < due.len() {
        written.extend(wrote.recv().unwrap());
        go_on.send(()).unwrap();
    }
    assert_eq!(String::from_utf8(written).unwrap(), due);
    drop(writer);
}

#[test]
fn while_nobody_reads_lines_wait_up_to_a_bound_and_nobody_waits_for_them() {
    let Set { lines, writer, wrote, go_on } = set();
    log(&lines, "the first\n");
    assert_eq!(wrote.recv().unwrap(), b"the first\n");
    // The thread is held up now.
    let line = format!("{}\n", "x".repeat(1023));
    let (fit, more) = (WAITING_MAX / line.len(), 100_u64);
    for _ in 0..fit {
        log(&lines, &line);
    }
    assert_eq!(lines.0.lock().dropped, 0);
    for _ in 0..more {
        log(&lines, &line);
    }
    // Not the process's count: other tests leave lines out as well.
    assert_eq!(lines.0.lock().dropped, more);
    go_on.send(()).unwrap();
    assert_eq!(wrote.recv().unwrap().len(), WAITING_MAX);
    go_on.send(()).unwrap();
    log(&lines, "after it\n");
    assert_eq!(wrote.recv().unwrap(), b"after it\n");
    go_on.send(()).unwrap();
    drop(writer);
}

#[test]
fn the_last_lines_are_written_before_the_end() {
    let Set { lines, writer, wrote, go_on } = set();
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    log(&lines, "the last\n");
    drop(writer);
    assert_eq!(wrote.try_recv().unwrap(), b"the last\n");
}

#[test]
fn an_end_does_not_wait_for_ever_for_a_reader() {
    let Set { lines, writer, wrote, go_on } = set();
    log(&lines, "the last\n");
    assert_eq!(wrote.recv().unwrap(), b"the last\n");
    let began = Instant::now();
    drop(writer);
    assert!(began.elapsed() >= LAST_LINES);
    drop(go_on);
}

/// Writes what its turns say: so many bytes, or an error; then everything.
struct Moody {
    turns: Vec<io::Result<usize>>,
    written: Vec<u8>,
}

impl Write for &mut Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = if self.turns.is_empty() { bytes.len() } else { self.turns.remove(0)? };
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_the_next_begins_a_line_of_its_own() {
    let full = || Err(io::ErrorKind::StorageFull.into());
    let mut sink = Moody { turns: vec![Ok(6), full(), full()], written: Vec::new() };
    let mut paper = Paper { sink: &mut sink, broken: false };
    let left_out =
        [&b"one\ntwo\nthree\n"[..], b"four\n", b"five\n", b"six\n"].map(|lines| paper.write(lines));
    assert_eq!(left_out, [2, 1, 0, 0]);
    assert_eq!(String::from_utf8_lossy(&sink.written), "one\ntw\nfive\nsix\n");
}

#[test]
fn a_sink_that_takes_nothing_for_now_is_asked_again() {
    let later = || Err(io::ErrorKind::WouldBlock.into());
    let interrupted = Err(io::ErrorKind::Interrupted.into());
    let mut sink = Moody { turns: vec![later(), Ok(2), interrupted, later()], written: Vec::new() };
    assert_eq!(Paper { sink: &mut sink, broken: false }.write(b"one\ntwo\n"), 0);
    assert_eq!(sink.written, b"one\ntwo\n");
}
