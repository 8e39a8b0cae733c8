//! Own links: the path and query that lead to a stored picture, in a form, for a while, to whoever holds them.
//!
//! ```text
//! /images/<sha256 of the stored file>.<format shown>?from=png&compression=80&size=256x256&expires=<unix>&signature=<43 characters>
//! ```
//!
//! `from` is the stored format where it is another than that shown; `compression` and `size` stand only where the form
//! has them. The signature is an HMAC-SHA256 over all that stands before it, so nothing of a link can be changed. Pure:
//! knows neither the store nor the server. Start with [`Links::sign`] and [`Links::check`]; `text` writes and reads.

mod text;

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::StoredPicture;
use super::convert::{needs_conversion_from, pixels_in};
use crate::image::{ContentHash, Form, Format, Pixels};

/// Stands before every text that is signed: a signature is good for links of this kind only.
const SIGNED_AS: &[u8] = b"evolink-gateway link 1\n";

/// What a link leads to: a stored picture, and the form it is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkedPicture {
    pub content: ContentHash,
    /// The format of the stored file.
    pub stored: Format,
    pub form: Form,
}

impl LinkedPicture {
    /// The stored picture in the asked form; with nothing to convert, as it is stored.
    pub fn of(picture: &StoredPicture, asked: Form) -> Self {
        let &StoredPicture { content, format, pixels, .. } = picture;
        let convert = needs_conversion_from(format, pixels, asked);
        let form = if convert { asked } else { Form { format, compression: None, pixels: None } };
        Self { content, stored: format, form }
    }

    /// Its size as shown, when it is stored with `stored`.
    pub fn pixels(&self, stored: Pixels) -> Pixels {
        pixels_in(stored, self.form)
    }

    /// Whether it is shown as it is stored, byte for byte.
    pub fn is_as_stored(&self) -> bool {
        self.form == Form { format: self.stored, compression: None, pixels: None }
    }
}

/// A link that may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLink {
    pub picture: LinkedPicture,
    /// How long it still works; above zero.
    pub left: Duration,
}

/// Why a link may not be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("it is no link of this gateway's making")]
    NoLink,
    #[error("its signature is not this gateway's")]
    Forged,
    #[error("it has expired")]
    Expired,
}

/// Signs links and checks them, with one secret.
#[derive(Clone)]
pub struct Links {
    keyed: Hmac<Sha256>,
    ttl: Duration,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Links {
    /// `ttl`: how long a link works.
    pub fn new(secret: &SecretString, ttl: Duration) -> Self {
        // A secret may have any length, a key of this kind has a block's.
        let mut block = [0; 64];
        let digest = Sha256::digest(secret.expose_secret().as_bytes());
        block.iter_mut().zip(digest).for_each(|(to, byte)| *to = byte);
        Self { keyed: Hmac::new(&block.into()), ttl }
    }

    /// Path and query of a link that works from now on.
    pub fn sign(&self, picture: &LinkedPicture, now_unix: i64) -> String {
        let ttl = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        self.signed(picture, now_unix.saturating_add(ttl))
    }

    /// What the link `/images/{file}?{query}` leads to.
    ///
    /// # Errors
    /// `Expired` only where all else is right.
    pub fn check(&self, file: &str, query: &str, now_unix: i64) -> Result<OpenLink, LinkError> {
        let (picture, expires) = text::read(file, query).ok_or(LinkError::NoLink)?;
        // The whole link is compared with the one that would have been given out: what differs in any way is none.
        let given = format!("{}{file}?{query}", text::FOLDER);
        let same: bool = self.signed(&picture, expires).as_bytes().ct_eq(given.as_bytes()).into();
        if !same {
            return Err(LinkError::Forged);
        }
        match u64::try_from(expires.saturating_sub(now_unix)) {
            Ok(left @ 1..) => Ok(OpenLink { picture, left: Duration::from_secs(left) }),
            _ => Err(LinkError::Expired),
        }
    }

    fn signed(&self, picture: &LinkedPicture, expires: i64) -> String {
        let unsigned = text::write(picture, expires);
        let mut mac = self.keyed.clone();
        mac.update(SIGNED_AS);
        mac.update(unsigned.as_bytes());
        let signature = base64_simd::URL_SAFE_NO_PAD.encode_to_string(mac.finalize().into_bytes());
        format!("{unsigned}&{}={signature}", text::SIGNATURE)
    }
}

#[cfg(test)]
mod tests;
