//! Secrets, and the hashes that stand for them. Never printed.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::scalar::{text, text_like};
use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// A text that is wiped from memory when dropped and shown as `***` wherever it is printed.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Every use of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// For rooms that keep secrets in the library's own type.
    pub fn to_secret(&self) -> SecretString {
        self.0.clone()
    }

    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    pub fn sha256(&self) -> Sha256Hash {
        Sha256Hash(Sha256::digest(self.expose().as_bytes()).into())
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for Secret {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            // The value itself must not get into a message.
            Value::String(text) if text.is_empty() => reader.wrong(&Value::Null, "must be a secret"),
            Value::String(text) if text.chars().all(|c| c.is_ascii_graphic()) => {
                Some(Self::new(text.clone()))
            }
            Value::String(_) => {
                reader.report("must consist of printable ASCII characters without spaces".to_owned());
                None
            }
            _ => {
                reader.report("must be a text: put it in quotes".to_owned());
                None
            }
        }
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }

    fn shown(&self, secrets: Secrets) -> Shown {
        match secrets {
            Secrets::Hidden if self.is_empty() => Shown::Plain(Value::Null),
            Secrets::Hidden => Shown::plain("***"),
            Secrets::Hashed => Shown::plain(self.sha256().to_string()),
        }
    }

    fn stand_in(raw: &str) -> Option<Self> {
        Some(Self::new(raw))
    }
}

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash([u8; 32]);

impl Sha256Hash {
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(place * 2..place * 2 + 2)?;
            let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
            *byte = is_hex.then(|| u8::from_str_radix(digits, 16).ok())??;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Setting for Sha256Hash {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let hash = Self::parse(text(value, reader)?);
        if hash.is_none() {
            // Somebody may have put the secret itself here: it is not repeated.
            reader.report("must be the SHA-256 of the secret in 64 hexadecimal digits".to_owned());
        }
        hash
    }

    fn schema() -> Value {
        text_like("^[0-9a-fA-F]{64}$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }

    fn stand_in(raw: &str) -> Option<Self> {
        Some(Secret::new(raw).sha256())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("canary-1234");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.shown(Secrets::Hidden).text(), "***");
        assert!(!secret.shown(Secrets::Hashed).text().contains("canary"));
    }

    #[test]
    fn a_hash_reads_back_as_written() {
        let hash = Secret::new("abc").sha256();
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Sha256Hash::parse(&hash.to_string().to_uppercase()), Some(hash));
        assert_eq!(Sha256Hash::parse(&"+f".repeat(32)), None);
        assert_eq!(Sha256Hash::parse("abc"), None);
    }
}
