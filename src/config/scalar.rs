//! Settings of the plain types: switches, numbers, texts, addresses, and lists and maps of settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// What a value looks like that is filled in by an expression.
const EXPRESSION: &str = r"\$\{";

/// A schema for `plain`, or for a text with an expression in it.
pub fn or_expression(plain: &Value) -> Value {
    json!({"anyOf": [plain, {"type": "string", "pattern": EXPRESSION}]})
}

/// A schema for a text of the given form, or with an expression in it.
pub fn text_like(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!("{pattern}|{EXPRESSION}")})
}

impl Setting for bool {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Bool(switch) => Some(*switch),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => reader.wrong(value, "must be true or false"),
        }
    }

    fn schema() -> Value {
        or_expression(&json!({"type": "boolean"}))
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(*self)
    }
}

/// A whole number from a number or its text; `4.0` counts, as some tools write all numbers so.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            format!("{float:.0}").parse().ok()
        }),
        _ => None,
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => { $(
        impl Setting for $type {
            fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
                match whole(value).map(Self::try_from) {
                    Some(Ok(number)) => Some(number),
                    Some(Err(_)) => reader.wrong(value, &format!("must not be more than {}", Self::MAX)),
                    None => reader.wrong(value, "must be a whole number from 0"),
                }
            }

            fn schema() -> Value {
                json!({"type": ["integer", "string"], "minimum": 0, "pattern": format!("^[0-9]+$|{EXPRESSION}")})
            }

            fn shown(&self, _: Secrets) -> Shown {
                Shown::plain(*self)
            }
        }
    )+ };
}
whole_numbers!(u8, u32, u64, usize);

/// The text of a value. YAML reads an unquoted `on`, `12` or `1e3` as something else, and the text is lost.
pub(super) fn text<'v>(value: &'v Value, reader: &mut Reader<'_>) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => reader.wrong(value, "must be a text: put it in quotes"),
        _ => reader.wrong(value, "must be a text"),
    }
}

impl Setting for String {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        text(value, reader).map(str::to_owned)
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.as_str())
    }

    fn stand_in(raw: &str) -> Option<Self> {
        Some(raw.to_owned())
    }
}

impl Setting for PathBuf {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match text(value, reader)? {
            "" => reader.wrong(value, "must be a path"),
            path => Some(Self::from(path)),
        }
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string_lossy())
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match text(value, reader)?.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                reader.wrong(value, "must be an IP address and a port such as 127.0.0.1:8080 or [::]:8080")
            }
        }
    }

    fn schema() -> Value {
        text_like(r"^[0-9a-fA-F.:\[\]%]+:[0-9]+$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            _ => T::read(value, reader).map(Some),
        }
    }

    fn schema() -> Value {
        T::schema()
    }

    fn shown(&self, secrets: Secrets) -> Shown {
        self.as_ref().map_or(Shown::Plain(Value::Null), |value| value.shown(secrets))
    }

    fn stand_in(raw: &str) -> Option<Self> {
        T::stand_in(raw).map(Some)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Array(items) = value else { return reader.wrong(value, "must be a list") };
        // A wrong item is reported by its reader; the rest is read on for its own mistakes.
        Some(items.iter().enumerate().filter_map(|(index, item)| reader.item(index, item)).collect())
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }

    fn shown(&self, secrets: Secrets) -> Shown {
        Shown::List(self.iter().map(|item| item.shown(secrets)).collect())
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Object(fields) = value else { return reader.wrong(value, "must be a map") };
        let mut entries = Self::new();
        for (key, value) in fields {
            if let Some(entry) = reader.item(key.as_str(), value) {
                entries.insert(key.clone(), entry);
            }
        }
        Some(entries)
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }

    fn shown(&self, secrets: Secrets) -> Shown {
        Shown::Map(self.iter().map(|(key, value)| (key.clone(), value.shown(secrets))).collect())
    }
}

/// A map taken as it is; its meaning is checked where it is used.
impl Setting for Map<String, Value> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(fields.clone()),
            _ => reader.wrong(value, "must be a map"),
        }
    }

    fn schema() -> Value {
        json!({"type": "object"})
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::Plain(Value::Object(self.clone()))
    }
}
