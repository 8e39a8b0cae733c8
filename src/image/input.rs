//! Pictures that a client gives along: reference pictures and masks.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Format, Pixels};

/// SHA-256 of a picture's bytes: the name under which it is uploaded once and found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    /// 64 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is known of a picture that came with a request. Its bytes are kept elsewhere, under `content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputPicture {
    pub content: ContentHash,
    /// Length of the file.
    pub bytes: u64,
    /// By its magic bytes.
    pub format: Format,
    /// By its header.
    pub pixels: Pixels,
    /// Whether it can have transparent pixels.
    pub alpha: bool,
}

/// A reference picture or a mask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// An http or https link that upstream opens itself.
    Link(String),
    /// Came with the request; upstream gets it by upload.
    Picture(InputPicture),
}

impl Reference {
    pub const fn picture(&self) -> Option<&InputPicture> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Link(_) => None,
        }
    }
}
