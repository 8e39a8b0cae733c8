//! Pictures that a client gives along: reference pictures and masks.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Format, Pixels};

/// SHA-256 of a picture's bytes: the name under which it is uploaded once and found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl From<ContentHash> for String {
    fn from(content: ContentHash) -> Self {
        content.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    /// Of 64 lower-case hex digits.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "no SHA-256 in hexadecimal";
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong);
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ContentHash {
    /// 64 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is known of a picture that came with a request. Its bytes are kept elsewhere, under `content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
