//! The one place that knows the YAML library: a text becomes a JSON tree, with the line of every value.
//!
//! Anchors and merge keys work, a key given twice is refused, size, depth and repetition are bounded. Words such as
//! `on` and `no` and numbers such as `0755` or `1_000` stay texts, so that nothing is silently read as something else.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::path::{Path, Step};
use super::problem::Problem;
use super::shown::Shown;

/// The deepest nesting; the settings need half of it.
const DEPTH_MAX: usize = 32;
/// The most values of a file, those repeated by aliases counted again.
const NODES_MAX: usize = 200_000;

/// A file's values and their lines.
pub struct Document {
    pub tree: Value,
    pub lines: BTreeMap<Path, u64>,
}

/// Reads one YAML document; an empty one is an empty map.
pub fn parse(text: &str) -> Result<Document, Problem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX },
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        // A snippet would put the file's text, and perhaps a secret, into a message.
        with_snippet: false,
    };
    let root: Spanned<Node> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(&error))?;
    let mut lines = BTreeMap::new();
    let tree = flatten(root, &Path::root(), None, &mut lines);
    Ok(Document { tree, lines })
}

/// Writes a tree as YAML.
pub fn write(shown: &Shown) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(shown)
}

fn problem(error: &serde_saphyr::Error) -> Problem {
    let location = error.location().filter(|location| location.line() > 0);
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let text = text.lines().collect::<Vec<_>>().join(" ");
    let (text, line) = match location {
        Some(place) => {
            let suffix = format!(" at line {}, column {}", place.line(), place.column());
            (text.strip_suffix(&suffix).unwrap_or(&text).to_owned(), Some(place.line()))
        }
        None => (text, None),
    };
    Problem { path: Path::root(), line, message: format!("cannot be read as YAML: {text}") }
}

/// A value as parsed, its parts with their lines.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn flatten(node: Spanned<Node>, path: &Path, key: Option<u64>, lines: &mut BTreeMap<Path, u64>) -> Value {
    // A map's entry is where its key is.
    lines.insert(path.clone(), key.unwrap_or_else(|| node.referenced.line()));
    let mut below = |step: Step, key: Option<u64>, node| flatten(node, &path.join(step), key, lines);
    match node.value {
        Node::Scalar(value) => value,
        Node::List(items) => Value::Array(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| below(Step::Index(index), None, item))
                .collect(),
        ),
        Node::Map(entries) => {
            let mut fields = Map::new();
            for (key, value) in entries {
                let line = Some(key.referenced.line()).filter(|line| *line > 0);
                let value = below(Step::Key(key.value.clone()), line, value);
                fields.insert(key.value, value);
            }
            Value::Object(fields)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value)
            .map(|number| Node::Scalar(number.into()))
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut list: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Node>>()? {
            if list.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format!("the key `{}` is there twice", key.value)));
            }
            list.push((key, value));
        }
        Ok(Node::Map(list))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(text: &str) -> Value {
        parse(text).map_or_else(|problem| panic!("{problem}"), |document| document.tree)
    }

    fn failure(text: &str) -> String {
        parse(text).err().map(|problem| problem.to_string()).unwrap_or_default()
    }

    #[test]
    fn ambiguous_words_stay_texts() {
        let read = tree("[on, no, 0755, 1_000, 1.5, 12, true, ~, '12', 168h, 2027-01-31T00:00:00Z]");
        let want =
            json!(["on", "no", "0755", "1_000", 1.5, 12, true, null, "12", "168h", "2027-01-31T00:00:00Z"]);
        assert_eq!(read, want);
    }

    #[test]
    fn an_empty_file_is_no_value() {
        assert_eq!(tree(""), Value::Null);
        assert_eq!(tree("# nothing\n"), Value::Null);
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let read = tree("a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  y: 3\n");
        assert_eq!(read, json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}));
    }

    #[test]
    fn every_value_has_its_line() {
        let lines =
            parse("server:\n  listen: x\nteams:\n  - name: a\n    keys:\n      - {name: b}\n").unwrap().lines;
        let line = |path: &Path| lines.get(path).copied();
        assert_eq!(line(&Path::of(&["server", "listen"])), Some(2));
        assert_eq!(line(&Path::of(&["teams"])), Some(3));
        let key = Path::of(&["teams"]).join(0).join("keys");
        assert_eq!(line(&key), Some(5));
        assert_eq!(line(&key.join(0).join("name")), Some(6));
    }

    #[test]
    fn broken_files_are_refused_with_their_line() {
        insta::assert_snapshot!(
            [
                "a: 1\nb: [1, 2\nc: 3\n",
                "a: 1\nb: 2\na: 3\n",
                "a: *nowhere\n",
                "a: .nan\n",
                "a: 1\n---\nb: 2\n",
                "a:\n\t- b\n",
                "{",
            ]
            .map(failure)
            .join("\n")
        );
    }

    #[test]
    fn depth_and_repetition_are_bounded() {
        assert!(!failure(&format!("a: {}{}", "[".repeat(200), "]".repeat(200))).is_empty());
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (this, last) in
            ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            bomb = format!("{bomb}{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(", "));
        }
        assert!(!failure(&bomb).is_empty());
    }
}
