//! Settings as they are printed: in the order of their declaration, secrets hidden or replaced by their hash.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// What is shown in place of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// `***`: for people.
    Hidden,
    /// A SHA-256: never printed; tells whether a secret has changed.
    Hashed,
}

/// A printable tree. Unlike a JSON value it keeps the order of its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    Plain(Value),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Shown {
    pub fn plain(value: impl Into<Value>) -> Self {
        Self::Plain(value.into())
    }

    /// A map without its nulls, or the value of `short` alone when there is no other.
    #[must_use]
    pub fn shortened(self, short: &str) -> Self {
        let Self::Map(mut fields) = self else { return self };
        fields.retain(|(_, value)| *value != Self::Plain(Value::Null));
        match fields.as_slice() {
            [(key, value)] if key == short => value.clone(),
            _ => Self::Map(fields),
        }
    }

    /// A scalar without quotes; JSON for anything else.
    pub fn text(&self) -> String {
        match Value::from(self.clone()) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

impl From<Shown> for Value {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Plain(value) => value,
            Shown::List(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Shown::Map(fields) => {
                Self::Object(fields.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
