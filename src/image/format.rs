//! Small closed choices: file format, compression, background, quality, and how a picture is handed over.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The file formats the gateway reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// The name in `output_format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// The media type, for example `image/png`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// `output_compression`: 0 (smallest file) to 100 (best picture).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Compression(u8);

impl Compression {
    /// None above 100.
    pub fn new(percent: u64) -> Option<Self> {
        u8::try_from(percent).ok().filter(|percent| *percent <= 100).map(Self)
    }

    pub const fn percent(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Compression {
    type Error = &'static str;

    fn try_from(percent: u64) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or("a compression above 100")
    }
}

impl From<Compression> for u64 {
    fn from(compression: Compression) -> Self {
        compression.0.into()
    }
}

/// `background`. `auto` is the model's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    Auto,
    Opaque,
    Transparent,
}

impl Background {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Opaque, Self::Transparent];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Opaque => "opaque",
            Self::Transparent => "transparent",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|background| background.name() == name)
    }
}

/// `quality` as a client may write it: OpenAI's names of today and of the dall-e models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    Auto,
    Standard,
    Low,
    Medium,
    High,
    Hd,
    XHigh,
    Max,
}

impl Quality {
    pub const ALL: [Self; 8] =
        [Self::Auto, Self::Standard, Self::Low, Self::Medium, Self::High, Self::Hd, Self::XHigh, Self::Max];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Standard => "standard",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Hd => "hd",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.name() == name)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `response_format`: the picture itself in base64, or a link to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Delivery {
    #[serde(rename = "b64_json")]
    Base64,
    #[serde(rename = "url")]
    Url,
}

impl Delivery {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "b64_json" => Some(Self::Base64),
            "url" => Some(Self::Url),
            _ => None,
        }
    }
}
