//! The body of an answer with pictures, and all that must live until it is out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::generation::Waiter;
use crate::media::{Held, Segment, Segments};
use crate::openai::Part;
use crate::server::waiting_room::Place;

/// Text and pictures, the pictures written as base64 while they are sent. Its length is known.
pub(in crate::server) struct AnswerBody {
    segments: Segments,
    owed: Option<Owed>,
}

struct Owed {
    waiter: Waiter,
    whole: bool,
    _pictures: Vec<Held>,
    _place: Place,
}

impl AnswerBody {
    /// Nothing is waited for any more.
    pub(in crate::server) fn of_text(text: Vec<u8>) -> Self {
        Self { segments: Segments::new(vec![Segment::Text(text.into())]), owed: None }
    }

    /// `whole` is false when a repetition of the request may give more than this.
    pub(super) fn with_pictures(
        parts: Vec<Part>,
        pictures: Vec<Held>,
        whole: bool,
        waiter: Waiter,
        place: Place,
    ) -> Self {
        let segments = Segments::new(parts.into_iter().map(segment).collect());
        let owed = Owed { waiter, whole, _pictures: pictures, _place: place };
        Self { segments, owed: Some(owed) }
    }
}

fn segment(part: Part) -> Segment {
    match part {
        Part::Text(text) => Segment::Text(text),
        Part::Base64(bytes) => Segment::Base64(bytes),
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.segments).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.segments.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(owed) = self.owed.take()
            && owed.whole
            && self.segments.is_end_stream()
        {
            owed.waiter.answered();
        }
    }
}
