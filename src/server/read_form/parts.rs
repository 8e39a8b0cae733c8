//! The parts of a multipart body, one after another, in pieces.
//!
//! multer reads its stream for as long as there is something to read, whether it needs it or not, and looks for the
//! end of a part's head without a bound. So it is fed by hand: one small piece at a time, only when it has asked for
//! more, and only so much before it must have found something.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::body::Bytes;
use futures_util::Stream as _;
use futures_util::stream;
use http::header::CONTENT_DISPOSITION;
use multer::{Field, Multipart};

use super::parameters::parameter;
use crate::fault::{Fault, FaultKind};
use crate::server::read_body::Incoming;

/// Parts of one form; real forms have a dozen and up to sixteen pictures.
const PARTS_MAX: usize = 128;
/// Bytes given to multer at once.
const PIECE_BYTES_MAX: usize = 32 * 1024;
/// Bytes read without finding the next part or a piece of its content: what stands before the first part, and the head
/// of each.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a part's name.
const NAME_BYTES_MAX: usize = 256;

/// A form's parts.
pub(super) struct Parts {
    multipart: Multipart<'static>,
    feed: Arc<Feed>,
    incoming: Incoming,
    /// Of the last piece, what was not fed yet.
    rest: Bytes,
    /// Bytes fed since something was found.
    fed: usize,
    ended: bool,
    count: usize,
}

impl Parts {
    pub(super) fn new(incoming: Incoming, boundary: String) -> Self {
        let feed = Arc::new(Feed::default());
        let source = Arc::clone(&feed);
        let multipart = Multipart::new(stream::poll_fn(move |_| source.take()), boundary);
        Self { multipart, feed, incoming, rest: Bytes::new(), fed: 0, ended: false, count: 0 }
    }

    /// The next part; after the last one the body is read to its end.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, Fault> {
        let found = loop {
            match poll_fn(|cx| Poll::Ready(self.multipart.poll_next_field(cx))).await {
                Poll::Ready(found) => break found.map_err(damaged)?,
                Poll::Pending => self.feed().await?,
            }
        };
        self.fed = 0;
        let Some(field) = found else {
            while self.incoming.next().await?.is_some() {}
            return Ok(None);
        };
        self.count += 1;
        if self.count > PARTS_MAX {
            return Err(refuse(format!("The form has too many parts (more than {PARTS_MAX}).")));
        }
        let disposition = field.headers().get(CONTENT_DISPOSITION).map(|value| value.as_bytes().to_vec());
        let disposition = disposition.unwrap_or_default();
        let name = parameter(&disposition, "name").filter(|name| !name.is_empty());
        let Some(name) = name.filter(|name| name.len() <= NAME_BYTES_MAX) else {
            let message =
                format!("Part {} of the form has no name of 1 to {NAME_BYTES_MAX} bytes.", self.count);
            return Err(refuse(message));
        };
        let file_name = parameter(&disposition, "filename").or_else(|| parameter(&disposition, "filename*"));
        Ok(Some(Part { name, file_name, field, parts: self }))
    }

    /// Gives multer one more piece, or the end.
    async fn feed(&mut self) -> Result<(), Fault> {
        if self.fed > HEAD_BYTES_MAX {
            return Err(refuse(format!("A part's head is longer than {HEAD_BYTES_MAX} bytes.")));
        }
        while self.rest.is_empty() {
            match self.incoming.next().await? {
                Some(piece) => self.rest = piece,
                None if self.ended => return Err(cut_off()),
                None => {
                    self.ended = true;
                    self.feed.put(Food::End);
                    return Ok(());
                }
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES_MAX));
        self.fed += piece.len();
        self.feed.put(Food::Piece(piece));
        Ok(())
    }
}

/// One part, whose content is still to be read.
pub(super) struct Part<'p> {
    /// Not empty.
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    field: Field<'static>,
    parts: &'p mut Parts,
}

impl Part<'_> {
    /// The next piece of the content. A part must be read to its end before the next one is asked for.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut self.field).poll_next(cx))).await {
                Poll::Ready(piece) => {
                    self.parts.fed = 0;
                    return piece.transpose().map_err(damaged);
                }
                Poll::Pending => self.parts.feed().await?,
            }
        }
    }
}

/// What multer reads: nothing until it is put there.
#[derive(Default)]
struct Feed(Mutex<Food>);

#[derive(Default)]
enum Food {
    #[default]
    None,
    Piece(Bytes),
    End,
}

impl Feed {
    fn put(&self, food: Food) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = food;
    }

    /// Never wakes anybody: who feeds polls again.
    fn take(&self) -> Poll<Option<Result<Bytes, std::convert::Infallible>>> {
        let mut food = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *food) {
            Food::None => Poll::Pending,
            Food::Piece(piece) => Poll::Ready(Some(Ok(piece))),
            Food::End => Poll::Ready(None),
        }
    }
}

fn damaged(error: multer::Error) -> Fault {
    match error {
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => cut_off(),
        error => refuse("The head of a part of the form cannot be read.").with_cause(error),
    }
}

fn cut_off() -> Fault {
    refuse("The form is cut off or damaged: its boundaries are not where they should be.")
}

fn refuse(message: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::InvalidValue, message)
}
