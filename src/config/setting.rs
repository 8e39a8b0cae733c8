//! What every type of setting can do: be read from a tree, describe itself as JSON schema, be shown.
//!
//! Reading never stops at the first mistake: a [`Reader`] collects them, each with its path.
//! Knows no particular setting; the structs are in [`super::settings`], made by the macro in `macros.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::path::{Path, Step};
use super::problem::Problem;
use super::shown::{Secrets, Shown};

/// A type that can stand in the configuration.
pub trait Setting: Sized {
    /// Reads one value. `None` when it is wrong; the problem is then already with the reader.
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self>;

    /// What the value must look like, as JSON schema (2020-12).
    fn schema() -> Value;

    /// The value as it is printed, for example `5m` for a duration.
    fn shown(&self, secrets: Secrets) -> Shown;

    /// The value used by a check without secrets, in place of `raw`, an expression that cannot be expanded there.
    fn stand_in(_raw: &str) -> Option<Self> {
        None
    }
}

/// Where the values of a tree came from.
#[derive(Debug, Default)]
pub struct Origin {
    /// The line of each value in the file, counted from 1.
    pub lines: BTreeMap<Path, u64>,
    /// Values with an expression in them, as written: shown in problems in place of what came out of it.
    pub expanded: BTreeMap<Path, String>,
    /// Values with an expression that could not be expanded, where that is allowed: as written.
    pub missing: BTreeMap<Path, String>,
}

/// Walks a tree and collects what is wrong with it.
#[derive(Debug)]
pub struct Reader<'a> {
    origin: &'a Origin,
    path: Path,
    findings: Findings,
}

/// What came of reading besides the settings.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order of reading.
    pub problems: Vec<Problem>,
    /// Items of lists that could not be read and were left out.
    pub left_out: BTreeSet<Path>,
}

impl<'a> Reader<'a> {
    pub fn new(origin: &'a Origin) -> Self {
        Self { origin, path: Path::root(), findings: Findings::default() }
    }

    pub fn into_findings(self) -> Findings {
        self.findings
    }

    /// Reports the value at hand: `must` says what would work, for example `must be true or false`.
    pub fn wrong<T>(&mut self, value: &Value, must: &str) -> Option<T> {
        let got = match self.origin.expanded.get(&self.path) {
            Some(raw) => format!("what `{raw}` gives"),
            None => described(value),
        };
        self.report(format!("{must}, not {got}"));
        None
    }

    /// Reports a problem at the path at hand.
    pub fn report(&mut self, message: String) {
        let line = self.origin.lines.get(&self.path).copied();
        self.findings.problems.push(Problem { path: self.path.clone(), line, message });
    }

    /// Reads a list's item or a map's value.
    pub fn item<T: Setting>(&mut self, step: impl Into<Step>, value: &Value) -> Option<T> {
        let step = step.into();
        let is_item = matches!(step, Step::Index(_));
        self.path.push(step);
        let read = self.value(value);
        if read.is_none() && is_item {
            self.findings.left_out.insert(self.path.clone());
        }
        self.path.pop();
        read
    }

    /// Reads a struct's field. A wrong value is reported and then taken as absent, so that reading goes on.
    pub fn field<T: Setting>(
        &mut self,
        fields: &Map<String, Value>,
        key: &'static str,
        default: Option<fn() -> T>,
    ) -> Option<T> {
        match (fields.get(key), default) {
            (None | Some(Value::Null), Some(default)) => Some(default()),
            (None | Some(Value::Null), None) => {
                self.report(format!("`{key}` is missing"));
                None
            }
            (Some(value), default) => self.item(key, value).or_else(|| default.map(|default| default())),
        }
    }

    /// Reports a field's value that is out of `range`, and brings it into the range.
    pub fn within<T: Setting + PartialOrd + Clone>(
        &mut self,
        key: &'static str,
        value: Option<T>,
        range: &RangeInclusive<T>,
    ) -> Option<T> {
        let value = value?;
        if range.contains(&value) {
            return Some(value);
        }
        self.path.push(key);
        let shown = |value: &T| value.shown(Secrets::Hidden).text();
        let must = format!("must be from {} to {}", shown(range.start()), shown(range.end()));
        let _: Option<T> = self.wrong(&value.shown(Secrets::Hidden).into(), &must);
        self.path.pop();
        Some(if value < *range.start() { range.start().clone() } else { range.end().clone() })
    }

    /// The fields of a struct; unknown ones are reported. `short` is the field that a plain value stands for.
    pub fn fields<'v>(
        &mut self,
        value: &'v Value,
        known: &[&str],
        short: Option<&str>,
    ) -> Option<Cow<'v, Map<String, Value>>> {
        let fields = match (value, short) {
            (Value::Object(fields), _) => fields,
            (Value::Null, _) => return Some(Cow::Owned(Map::new())),
            (Value::String(_), Some(field)) => {
                return Some(Cow::Owned(Map::from_iter([(field.to_owned(), value.clone())])));
            }
            _ => return self.wrong(value, &format!("must be a map with the keys {}", known.join(", "))),
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            self.path.push(key.as_str());
            self.report(super::nearest::unknown("key", key, known));
            self.path.pop();
        }
        Some(Cow::Borrowed(fields))
    }

    fn value<T: Setting>(&mut self, value: &Value) -> Option<T> {
        match self.origin.missing.get(&self.path) {
            Some(raw) => T::stand_in(raw),
            None => T::read(value, self),
        }
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.len() > 60 => "so long a text".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
    }
}

/// The schema of a struct's field, with its documentation and default.
pub fn field_schema<T: Setting>(docs: &[&str], default: Option<fn() -> T>) -> Value {
    let mut schema = T::schema();
    let default = default.map(|default| Value::from(default().shown(Secrets::Hidden)));
    if default.is_some() {
        allow_null(&mut schema);
    }
    let Value::Object(fields) = &mut schema else { return schema };
    fields.insert("description".to_owned(), sentence(docs).into());
    match default {
        // A struct's fields carry their own defaults.
        Some(default) if !fields.contains_key("properties") => {
            fields.insert("default".to_owned(), default);
        }
        Some(_) | None => {}
    }
    schema
}

/// Adds the bounds of a number to its schema; those of a duration or size go into the description.
pub fn bounded<T: Setting>(mut schema: Value, range: &RangeInclusive<T>) -> Value {
    let bounds = [range.start(), range.end()].map(|bound| bound.shown(Secrets::Hidden));
    let [from, to] = bounds.clone().map(Value::from);
    if let Value::Object(fields) = &mut schema {
        if from.is_number() {
            fields.insert("minimum".to_owned(), from);
            fields.insert("maximum".to_owned(), to);
        } else if let Some(Value::String(text)) = fields.get_mut("description") {
            let [from, to] = bounds.map(|bound| bound.text());
            *text = format!("{text} From {from} to {to}.");
        }
    }
    schema
}

/// The schema of a struct from those of its fields: `(name, schema, required)`.
pub fn struct_schema<const N: usize>(docs: &[&str], fields: &[(&str, Value, bool); N]) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|(_, _, required)| *required).map(|(name, _, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({
        "type": "object",
        "description": sentence(docs),
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// A doc comment's lines as one text.
fn sentence(docs: &[&str]) -> String {
    docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Null is the same as leaving the setting out.
fn allow_null(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    if let Some(types) = fields.get_mut("type") {
        match types {
            Value::Array(types) => types.push(json!("null")),
            name => *name = json!([name, "null"]),
        }
    } else if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.push(json!({"type": "null"}));
    }
}
