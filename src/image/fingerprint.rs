//! What makes two generations the same: the name under which they are joined, cached and repeated.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::TaskSpec;

/// Changes whenever the encoding below does, so that old fingerprints never match new ones.
const ENCODING: u8 = 1;

/// SHA-256 over everything upstream is asked for, and how often. Delivery and form (file format, compression,
/// scaling) are not in it: they are applied to finished pictures on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of `count` images made by `task`.
    pub fn of(task: &TaskSpec, count: u8) -> Self {
        // Taken apart in full, so that a new field cannot be forgotten here.
        let TaskSpec { model, prompt, size, resolution, quality, background, references, mask, native } =
            task;
        let mut encoder = Encoder(Sha256::new());
        encoder.byte(ENCODING);
        encoder.byte(count);
        encoder.text(model);
        encoder.text(prompt);
        encoder.optional(size.as_deref());
        encoder.optional(resolution.map(super::Tier::name));
        encoder.optional(quality.map(super::Quality::name));
        encoder.optional(background.map(super::Background::name));
        encoder.length(references.len());
        for link in references {
            encoder.text(link);
        }
        encoder.optional(mask.as_deref());
        encoder.members(native);
        Self(encoder.0.finalize().into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// 64 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Writes values so that no two different ones give the same bytes: every text carries its length, every choice a tag.
struct Encoder(Sha256);

impl Encoder {
    fn byte(&mut self, byte: u8) {
        self.0.update([byte]);
    }

    fn length(&mut self, length: usize) {
        self.0.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.byte(0),
            Some(text) => {
                self.byte(1);
                self.text(text);
            }
        }
    }

    /// Sorted by name: a map's order is no part of its meaning.
    fn members(&mut self, members: &serde_json::Map<String, Value>) {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        self.length(sorted.len());
        for (name, value) in sorted {
            self.text(name);
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(0),
            Value::Bool(false) => self.byte(1),
            Value::Bool(true) => self.byte(2),
            Value::Number(number) => {
                self.byte(3);
                self.text(&number.to_string());
            }
            Value::String(text) => {
                self.byte(4);
                self.text(text);
            }
            Value::Array(items) => {
                self.byte(5);
                self.length(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(members) => {
                self.byte(6);
                self.members(members);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option::of;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::image::{Background, Quality, Tier};

    fn spec(prompt: &str) -> TaskSpec {
        TaskSpec {
            model: "gpt-image-2".into(),
            prompt: prompt.into(),
            size: None,
            resolution: None,
            quality: None,
            background: None,
            references: Vec::new(),
            mask: None,
            native: Map::new(),
        }
    }

    /// Few letters and short texts, so that equal and nearly equal values come up often.
    fn text() -> impl Strategy<Value = String> {
        "[ab]{0,3}"
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            text().prop_map(Value::from),
            (0..3i64).prop_map(Value::from)
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                btree_map(text(), inner, 0..3).prop_map(|members| Value::from(Map::from_iter(members))),
            ]
        })
    }

    prop_compose! {
        fn any_spec()(
            model in text(), prompt in text(), size in of(text()), resolution in of(prop::sample::select(&Tier::ALL[..])),
            quality in of(prop::sample::select(&Quality::ALL[..])),
            background in of(prop::sample::select(&Background::ALL[..])),
            references in vec(text(), 0..3), mask in of(text()), native in btree_map(text(), value(), 0..3),
        ) -> TaskSpec {
            let native = Map::from_iter(native);
            TaskSpec { model, prompt, size, resolution, quality, background, references, mask, native }
        }
    }

    proptest! {
        #[test]
        fn two_fingerprints_are_equal_exactly_when_task_and_count_are(
            a in any_spec(), b in any_spec(), (m, n) in (1..3u8, 1..3u8),
        ) {
            prop_assert_eq!(Fingerprint::of(&a, m) == Fingerprint::of(&b, n), a == b && m == n);
            prop_assert_eq!(Fingerprint::of(&a, m), Fingerprint::of(&a.clone(), m));
        }

        #[test]
        fn changing_any_one_field_changes_the_fingerprint(a in any_spec(), other in any_spec(), field in 0..9u8) {
            let mut b = a.clone();
            match field {
                0 => b.model = other.model,
                1 => b.prompt = other.prompt,
                2 => b.size = other.size,
                3 => b.resolution = other.resolution,
                4 => b.quality = other.quality,
                5 => b.background = other.background,
                6 => b.references = other.references,
                7 => b.mask = other.mask,
                _ => b.native = other.native,
            }
            prop_assert_eq!(Fingerprint::of(&a, 1) == Fingerprint::of(&b, 1), a == b);
        }
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_is_another_fingerprint() {
        let mut a = spec("cat");
        a.references = vec!["ab".into(), "c".into()];
        let mut b = spec("cat");
        b.references = vec!["a".into(), "bc".into()];
        let mut c = spec("cat");
        c.references = vec!["ab".into()];
        c.mask = Some("c".into());
        let prints = [a, b, c].map(|spec| Fingerprint::of(&spec, 1));
        assert!(prints[0] != prints[1] && prints[0] != prints[2] && prints[1] != prints[2]);
    }

    #[test]
    fn numbers_and_texts_of_the_same_letters_differ() {
        let with = |value: Value| {
            let mut spec = spec("cat");
            spec.native.insert("seed".into(), value);
            Fingerprint::of(&spec, 1)
        };
        assert_ne!(with(json!(1)), with(json!("1")));
        assert_ne!(with(json!(true)), with(json!("true")));
    }

    /// Stored fingerprints outlive the process: a new value here needs a new `ENCODING`.
    #[test]
    fn the_encoding_is_stable() {
        insta::assert_snapshot!(Fingerprint::of(&spec("a cat"), 1).to_string(), @"0820c3542909a870fc7fbe3e8e76f9fee8abd63a249c5ac96296c68ee8dd07f6");
    }
}
