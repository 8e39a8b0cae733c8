//! A picture that came with a request, whole and checked, until it is uploaded.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::image::InputPicture;

/// The bytes of an [`InputPicture`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InputFile {
    picture: InputPicture,
    bytes: Bytes,
}

impl InputFile {
    pub const fn new(picture: InputPicture, bytes: Bytes) -> Self {
        Self { picture, bytes }
    }

    pub const fn picture(&self) -> &InputPicture {
        &self.picture
    }

    /// The bytes from the start, in pieces.
    pub fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::iter([Ok(self.bytes.clone())])
    }
}
