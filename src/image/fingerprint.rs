//! What makes two generations the same: the name under which they are joined, cached and repeated.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Reference, TaskSpec};

/// Changes whenever the encoding below does, or what a model makes of the same parameters, so that old fingerprints
/// never match new ones.
const ENCODING: u8 = 2;
/// In the place of `ENCODING` for a variant, so that none is a fingerprint of a task.
const VARIANT: u8 = 255;
/// Likewise for a seed that the model has no use for.
const SEED: u8 = 254;

/// SHA-256 over everything upstream is asked for, and how often. Delivery and form (file format, compression,
/// scaling) are not in it: they are applied to finished pictures on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of `count` images made by `task`.
    pub fn of(task: &TaskSpec, count: u8) -> Self {
        // Taken apart in full, so that a new field cannot be forgotten here.
        let TaskSpec { model, prompt, parameters, references, mask } = task;
        let mut encoder = Encoder(Sha256::new());
        encoder.byte(ENCODING);
        encoder.byte(count);
        encoder.text(model);
        encoder.text(prompt);
        encoder.members(parameters);
        encoder.length(references.len());
        for reference in references {
            encoder.reference(reference);
        }
        encoder.length(mask.iter().len());
        if let Some(mask) = mask {
            encoder.reference(mask);
        }
        Self(encoder.0.finalize().into())
    }

    /// Of another picture of the same: clients name them.
    #[must_use]
    pub fn variant(self, name: &str) -> Self {
        self.marked(VARIANT, name)
    }

    /// Of another picture of the same: the client chose a seed, and the model has none.
    #[must_use]
    pub fn seeded(self, seed: &str) -> Self {
        self.marked(SEED, seed)
    }

    fn marked(self, mark: u8, text: &str) -> Self {
        let mut encoder = Encoder(Sha256::new());
        encoder.byte(mark);
        encoder.0.update(self.0);
        encoder.text(text);
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

    /// A picture counts by its content, a link by its text.
    fn reference(&mut self, reference: &Reference) {
        match reference {
            Reference::Link(link) => {
                self.byte(0);
                self.text(link);
            }
            Reference::Picture(picture) => {
                self.byte(1);
                self.0.update(picture.content.as_bytes());
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
    use crate::image::{ContentHash, Format, InputPicture, Pixels};

    fn spec(prompt: &str) -> TaskSpec {
        TaskSpec {
            model: "gpt-image-2".into(),
            prompt: prompt.into(),
            parameters: Map::new(),
            references: Vec::new(),
            mask: None,
        }
    }

    fn link(text: &str) -> Reference {
        Reference::Link(text.into())
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

    fn picture(content: u8) -> Reference {
        Reference::Picture(InputPicture {
            content: ContentHash::of(&[content]),
            bytes: 1,
            format: Format::Png,
            pixels: Pixels::new(1, 1),
            alpha: true,
        })
    }

    fn reference() -> impl Strategy<Value = Reference> {
        prop_oneof![text().prop_map(Reference::Link), (0..3u8).prop_map(picture)]
    }

    prop_compose! {
        fn any_spec()(
            model in text(), prompt in text(), parameters in btree_map(text(), value(), 0..3),
            references in vec(reference(), 0..3), mask in of(reference()),
        ) -> TaskSpec {
            TaskSpec { model, prompt, parameters: Map::from_iter(parameters), references, mask }
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
        fn changing_any_one_field_changes_the_fingerprint(a in any_spec(), other in any_spec(), field in 0..5u8) {
            let mut b = a.clone();
            match field {
                0 => b.model = other.model,
                1 => b.prompt = other.prompt,
                2 => b.parameters = other.parameters,
                3 => b.references = other.references,
                _ => b.mask = other.mask,
            }
            prop_assert_eq!(Fingerprint::of(&a, 1) == Fingerprint::of(&b, 1), a == b);
        }
    }

    #[test]
    fn text_moved_from_one_field_to_the_next_is_another_fingerprint() {
        let mut a = spec("cat");
        a.references = vec![link("ab"), link("c")];
        let mut b = spec("cat");
        b.references = vec![link("a"), link("bc")];
        let mut c = spec("cat");
        c.references = vec![link("ab")];
        c.mask = Some(link("c"));
        let prints = [a, b, c].map(|spec| Fingerprint::of(&spec, 1));
        assert!(prints[0] != prints[1] && prints[0] != prints[2] && prints[1] != prints[2]);
    }

    #[test]
    fn numbers_and_texts_of_the_same_letters_differ() {
        let with = |value: Value| {
            let mut spec = spec("cat");
            spec.parameters.insert("seed".into(), value);
            Fingerprint::of(&spec, 1)
        };
        assert_ne!(with(json!(1)), with(json!("1")));
        assert_ne!(with(json!(true)), with(json!("true")));
    }

    /// Stored fingerprints outlive the process: a new value here needs a new `ENCODING`.
    #[test]
    fn the_encoding_is_stable() {
        insta::assert_snapshot!(Fingerprint::of(&spec("a cat"), 1).to_string(), @"5a7d9aa37305b6d3298b5c628f29f291fbf6ca31d7f2618c2c3817224fcb2eac");
    }
}
