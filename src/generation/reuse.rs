//! Which answers a request shares with others.

use std::sync::Arc;

/// A client's own name for one thing it wants to have once (`Idempotency-Key`): 1 to 255 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// None when it is empty, longer, or has characters that are not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        ((1..=255).contains(&text.len()) && printable).then(|| Self(text.into()))
    }

    /// One that was written down before.
    pub fn kept(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_printable_characters() {
        let taken = |text: &str| IdempotencyKey::new(text).is_some();
        assert!(taken("a") && taken("order 7: ~fox~") && taken(&"k".repeat(255)));
        assert!(!taken("") && !taken(&"k".repeat(256)) && !taken("a\tb") && !taken("f\u{fc}chse"));
    }
}
