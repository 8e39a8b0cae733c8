//! A response body of text and pictures, the pictures written as base64 while they are sent.
//!
//! The length is known before the first byte, so the answer has a Content-Length; no more than one chunk of
//! a picture exists in base64 at any time, however many answers share the picture.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64_simd::STANDARD;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Raw bytes encoded at once; a multiple of three, so that only a segment's end is padded. 64 KiB encoded.
const CHUNK: usize = 48 * 1024;

/// A part of the body.
#[derive(Debug, Clone)]
pub enum Segment {
    /// Sent as it is.
    Text(Bytes),
    /// Sent as base64: standard alphabet, padded, no line breaks.
    Base64(Bytes),
}

/// The body. Its `size_hint` is exact.
#[derive(Debug)]
pub struct Segments {
    waiting: std::vec::IntoIter<Segment>,
    current: Option<Segment>,
    left: u64,
}

impl Segments {
    pub fn new(segments: Vec<Segment>) -> Self {
        let left = segments.iter().map(Segment::sent_length).sum();
        Self { waiting: segments.into_iter(), current: None, left }
    }

    /// Bytes that are still to be sent; before the first poll, the Content-Length.
    pub const fn left(&self) -> u64 {
        self.left
    }

    fn next_chunk(&mut self) -> Option<Bytes> {
        loop {
            if self.current.is_none() {
                self.current = self.waiting.next();
            }
            match self.current.as_mut()? {
                Segment::Base64(raw) if raw.len() > CHUNK => return Some(encode(&raw.split_to(CHUNK))),
                _ => {}
            }
            let last = match self.current.take()? {
                Segment::Text(text) => text,
                Segment::Base64(raw) => encode(&raw),
            };
            if !last.is_empty() {
                return Some(last);
            }
        }
    }
}

impl Segment {
    fn sent_length(&self) -> u64 {
        let (Self::Text(bytes) | Self::Base64(bytes)) = self;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self {
            Self::Text(_) => length,
            Self::Base64(_) => length.div_ceil(3) * 4,
        }
    }
}

impl Body for Segments {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.next_chunk();
        if let Some(chunk) = &chunk {
            self.left = self.left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn encode(raw: &[u8]) -> Bytes {
    encode_between(&[], raw, &[])
}

/// The bytes in base64 between two texts, in one piece.
pub(super) fn encode_between(before: &[u8], raw: &[u8], after: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(before.len() + STANDARD.encoded_length(raw.len()) + after.len());
    text.extend_from_slice(before);
    STANDARD.encode_append(raw, &mut text);
    text.extend_from_slice(after);
    text.into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;

    /// Base64 as RFC 4648 §4 spells it out, three bytes at a time.
    fn reference(raw: &[u8]) -> Vec<u8> {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut encoded = Vec::new();
        for group in raw.chunks(3) {
            let bits =
                group.iter().chain([&0, &0]).take(3).fold(0_usize, |bits, b| bits << 8 | usize::from(*b));
            for place in 0..4 {
                let digit = ALPHABET[bits >> (18 - 6 * place) & 63];
                encoded.push(if place <= group.len() { digit } else { b'=' });
            }
        }
        encoded
    }

    fn expected(segments: &[Segment]) -> Vec<u8> {
        segments.iter().fold(Vec::new(), |mut all, segment| {
            match segment {
                Segment::Text(text) => all.extend_from_slice(text),
                Segment::Base64(raw) => all.extend(reference(raw)),
            }
            all
        })
    }

    /// Polls the body to its end, checking the promised length at every step.
    fn sent(segments: Vec<Segment>) -> Vec<Bytes> {
        let mut body = Segments::new(segments);
        let mut frames: Vec<Bytes> = Vec::new();
        loop {
            let (left, ended) = (body.size_hint().exact().expect("exact"), body.is_end_stream());
            let frame = body.frame().now_or_never().expect("never pending");
            assert_eq!(ended, frame.is_none(), "the end is told before it comes");
            let Some(Ok(frame)) = frame else {
                assert_eq!(left, 0);
                return frames;
            };
            let data = frame.into_data().expect("data only");
            assert_eq!(left - body.left(), u64::try_from(data.len()).unwrap());
            frames.push(data);
        }
    }

    #[test]
    fn a_picture_goes_out_in_chunks_between_its_texts() {
        let raw: Vec<u8> = (0..=255).cycle().take(2 * CHUNK + 100).collect();
        let segments = vec![
            Segment::Text(Bytes::from_static(b"{\"b64_json\":\"")),
            Segment::Base64(raw.into()),
            Segment::Text(Bytes::from_static(b"\"}")),
        ];
        let frames = sent(segments.clone());
        assert_eq!(frames.iter().map(Bytes::len).collect::<Vec<_>>(), [13, 65_536, 65_536, 136, 2]);
        assert_eq!(frames.concat(), expected(&segments));
    }

    #[test]
    fn nothing_to_send_is_an_ended_body_of_length_zero() {
        for segments in [vec![], vec![Segment::Text(Bytes::new()), Segment::Base64(Bytes::new())]] {
            let body = Segments::new(segments);
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        }
    }

    #[test]
    fn texts_are_passed_on_without_a_copy() {
        let text = Bytes::from(vec![b'a'; 10]);
        let frames = sent(vec![Segment::Text(text.clone())]);
        assert_eq!(frames[0].as_ptr(), text.as_ptr());
    }

    proptest! {
        #[test]
        fn any_segments_arrive_whole(parts in prop::collection::vec(
            (any::<bool>(), prop_oneof![
                prop::collection::vec(any::<u8>(), 0..50),
                (CHUNK - 4..CHUNK + 5, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
            ]), 0..6,
        )) {
            let segments: Vec<Segment> = parts.into_iter().map(|(text, bytes)| {
                if text { Segment::Text(bytes.into()) } else { Segment::Base64(bytes.into()) }
            }).collect();
            let all = expected(&segments);
            prop_assert_eq!(Segments::new(segments.clone()).left(), u64::try_from(all.len()).unwrap());
            prop_assert_eq!(sent(segments).concat(), all);
        }
    }
}
