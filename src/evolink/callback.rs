//! Callbacks: the name under which Evolink tells of a task's end, and the URL that a create carries for it.
//!
//! Evolink signs nothing. So the name is unguessable, and a callback is a hint to look at the task, never the truth
//! about it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{CreateBody, UpstreamKey};

/// Sets these digests apart from all others.
const PREFIX: &[u8] = b"evolink-gateway callback 1\n";

/// The last part of a create's `callback_url`: 64 hexadecimal digits. It follows from the create's key, which is
/// random, written down with the create and known to Evolink only: after a restart it is the same again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallbackToken([u8; 32]);

impl CallbackToken {
    pub fn of(key: &UpstreamKey) -> Self {
        let digest = Sha256::new().chain_update(PREFIX).chain_update(key.as_str());
        Self(digest.finalize().into())
    }

    /// Reads what [`fmt::Display`] wrote; None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if !rest.is_empty() || pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// Where Evolink is to call back; `base` is the gateway's own URL without a slash at its end.
    pub fn url(&self, base: &str) -> String {
        format!("{base}/callbacks/{self}")
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whoever has it can have the task looked at: it stays out of logs.
impl fmt::Debug for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackToken")
    }
}

/// The body of a create, which `create_body` made, with `callback_url` as its last field.
#[must_use]
pub fn with_callback(body: &CreateBody, url: &str) -> CreateBody {
    let Some(fields) = body.strip_suffix(b"}") else { return body.clone() };
    let field = format!(",\"callback_url\":{}}}", serde_json::Value::from(url));
    [fields, field.as_bytes()].concat().into()
}

/// What [`with_callback`] was given; other bodies as they are.
#[must_use]
pub fn without_callback(body: &CreateBody) -> CreateBody {
    const MARK: &[u8] = b",\"callback_url\":";
    // No text within JSON has quotes that are not escaped. A field of that name within another is none of ours.
    let ours = |end: usize| {
        let url = body.get(end + MARK.len()..)?.strip_suffix(b"}")?;
        serde_json::from_slice::<&str>(url).ok()
    };
    match body.windows(MARK.len()).rposition(|part| part == MARK).filter(|end| ours(*end).is_some()) {
        Some(end) => [body.get(..end).unwrap_or_default(), b"}"].concat().into(),
        None => body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> UpstreamKey {
        UpstreamKey::kept(text.to_owned())
    }

    #[test]
    fn the_same_key_always_has_the_same_token_and_another_another() {
        let token = CallbackToken::of(&key("eg-1"));
        // Tasks that were made by an earlier version call back to this.
        assert_eq!(token.to_string(), "b32550618009bb79285030dcdc80c8d4fec1221ac8e13cc3fd5ed57d61dbdc77");
        assert_eq!(CallbackToken::of(&key("eg-1")), token);
        assert_ne!(CallbackToken::of(&key("eg-2")), token);
        assert!(!token.to_string().contains("eg-1") && format!("{token:?}") == "CallbackToken");
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let token = CallbackToken::of(&key("eg-1"));
        let text = token.to_string();
        assert_eq!(CallbackToken::parse(&text), Some(token));
        let (short, long) = (&text[1..], format!("{text}0"));
        for wrong in ["", short, &long, &text.to_uppercase(), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(CallbackToken::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_callback_is_one_more_field_of_the_body() {
        let body = CreateBody::from_static(br#"{"model":"m","prompt":"a }"}"#);
        let url = CallbackToken::of(&key("eg-1")).url("https://images.example.com");
        let with = with_callback(&body, &url);
        let read: serde_json::Value = serde_json::from_slice(&with).unwrap();
        assert_eq!(read["prompt"], "a }");
        assert_eq!(read["callback_url"], url);
        assert!(url.starts_with("https://images.example.com/callbacks/") && url.len() < 2048);
        assert_eq!(with_callback(&body, &url), with, "byte-identical");
        assert_eq!((without_callback(&with), without_callback(&body)), (body.clone(), body));
        let inner = CreateBody::from_static(br#"{"model_params":{"a":1,"callback_url":"x"}}"#);
        assert_eq!(without_callback(&inner), inner);
        assert_eq!(without_callback(&with_callback(&inner, &url)), inner);
    }
}
