//! A key's secret and its digest.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How every key begins, so that scanners for leaked secrets can know one.
const PREFIX: &str = "egk_";

/// A key in clear: shown once to its owner, never stored by the gateway. `Debug` hides it.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// 256 random bits: `egk_` and 43 characters of base64url.
    pub fn generate() -> Self {
        let random: [u8; 32] = rand::random();
        Self::new(format!("{PREFIX}{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(random)))
    }

    pub fn new(secret: impl Into<String>) -> Self {
        Self(SecretString::from(secret.into()))
    }

    /// The secret itself, for the one place that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// For rooms that keep secrets in the library's own type.
    pub fn to_secret(&self) -> SecretString {
        self.0.clone()
    }

    pub fn digest(&self) -> KeyDigest {
        hash_secret(self.expose())
    }
}

/// SHA-256 of a secret. Enough without salt or stretching, because secrets are random and long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hex digits, as `sha256sum` and the config write them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// The first twelve hex digits: enough to name a key in lists and logs.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// Takes the same time wherever the difference is.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyDigest {
    /// 64 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest under which a secret is stored and looked up.
pub fn hash_secret(secret: &str) -> KeyDigest {
    KeyDigest(Sha256::digest(secret.as_bytes()).into())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_47_url_safe_characters_and_never_the_same() {
        let (a, b) = (SecretKey::generate(), SecretKey::generate());
        assert_ne!(a.expose(), b.expose());
        let random = a.expose().strip_prefix("egk_").unwrap();
        assert_eq!(random.len(), 43);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let digest = hash_secret("test");
        assert_eq!(digest.to_string(), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        assert_eq!(KeyDigest::from_hex(&digest.to_string().to_uppercase()), Some(digest));
        assert_eq!(digest.short(), "9f86d081884c");
    }

    #[test]
    fn what_is_no_digest_is_not_read() {
        for text in ["", "9f86", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(KeyDigest::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let secret = SecretKey::new("egk_very-secret");
        assert!(!format!("{secret:?}").contains("very-secret"));
    }
}
