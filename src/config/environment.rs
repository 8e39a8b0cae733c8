//! Environment variables: the only place of the program that reads them.
//!
//! `EVOLINK_GATEWAY__SERVER__LISTEN` overrides `server.listen`: the names on the way to a setting, in capitals, put
//! together by two underscores; items of a list by their number, from 0. An empty variable counts as not set.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::expand::escape;
use super::nearest;
use super::path::{Path, Step};
use super::problem::Problem;
use super::setting::Origin;

/// What a variable that overrides a setting begins with.
const PREFIX: &str = "EVOLINK_GATEWAY__";

/// Variables by name. Tests make their own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's variables, less those that are not UTF-8.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: many values are secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Puts the values of overriding variables into the tree. `schema` says which settings there are.
pub fn apply(
    environment: &Environment,
    schema: &Value,
    tree: &mut Value,
    origin: &mut Origin,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in environment.0.iter().filter(|(_, value)| !value.is_empty()) {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let mut path = Path::root();
        let segments: Vec<&str> = rest.split("__").collect();
        match place(tree, schema, &segments, &mut path) {
            Ok(slot) => {
                *slot = Value::String(escape(value));
                origin.lines.remove(&path);
                origin.expanded.insert(path, name.clone());
            }
            Err(message) => problems.push(Problem::new(Path::of(&[name]), message)),
        }
    }
    problems
}

/// The place of a single value, made if need be.
fn place<'t>(
    tree: &'t mut Value,
    schema: &Value,
    segments: &[&str],
    path: &mut Path,
) -> Result<&'t mut Value, String> {
    let Some((segment, rest)) = segments.split_first() else {
        return if is_single(schema) {
            Ok(tree)
        } else {
            Err(format!("`{path}` is no single value; only single values can be overridden"))
        };
    };
    if let Some(item) = schema.get("items") {
        let index: usize =
            segment.parse().map_err(|_| format!("`{path}` is a list; name an item by its number"))?;
        let length = tree.as_array().map_or(0, Vec::len);
        let below = tree.get_mut(index).ok_or_else(|| {
            format!("`{path}` has {length} items; only those can be overridden, counted from 0")
        })?;
        path.push(index);
        return place(below, item, rest, path);
    }
    let object = object_schema(schema)
        .ok_or_else(|| format!("`{path}` is a single value; nothing below it can be overridden"))?;
    let (key, below) = member(tree, object, segment)?;
    let fields = fields_of(tree, object).ok_or_else(|| format!("`{path}` is not a map in the file"))?;
    path.push(Step::Key(key.clone()));
    place(fields.entry(key).or_insert(Value::Null), &below, rest, path)
}

/// The key meant by a segment of a variable's name, and the schema of its value.
fn member(tree: &Value, object: &Value, segment: &str) -> Result<(String, Value), String> {
    let wanted = segment.to_ascii_lowercase();
    if let Some(known) = object.get("properties").and_then(Value::as_object).filter(|known| !known.is_empty())
    {
        return known.get(&wanted).map(|below| (wanted.clone(), below.clone())).ok_or_else(|| {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            nearest::unknown(&format!("setting `{wanted}`"), &wanted, &names)
        });
    }
    let names = [Some(tree), object.get("default")].into_iter().flatten().filter_map(Value::as_object);
    let key = names
        .flat_map(Map::keys)
        .find(|key| key.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_") == wanted)
        .ok_or_else(|| format!("there is no `{wanted}`; only entries that are there can be overridden"))?;
    let below = object.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
    Ok((key.clone(), below))
}

/// The map at hand: made when there is nothing, and for a plain text that stands for one of its fields.
fn fields_of<'t>(tree: &'t mut Value, object: &Value) -> Option<&'t mut Map<String, Value>> {
    let short = object.pointer("/required/0").and_then(Value::as_str);
    match (&mut *tree, short) {
        (Value::Null, _) => *tree = Value::Object(Map::new()),
        (Value::String(text), Some(short)) => {
            let text = std::mem::take(text);
            *tree = Value::Object(Map::from_iter([(short.to_owned(), Value::String(text))]));
        }
        _ => {}
    }
    tree.as_object_mut()
}

fn object_schema(schema: &Value) -> Option<&Value> {
    let is_object = |schema: &&Value| {
        schema.get("properties").is_some()
            || schema.get("additionalProperties").is_some()
            || schema.get("type") == Some(&Value::from("object"))
    };
    let choices = schema.get("anyOf").and_then(Value::as_array);
    Some(schema).filter(is_object).or_else(|| choices?.iter().find(is_object))
}

fn is_single(schema: &Value) -> bool {
    let has_other_forms = schema.get("anyOf").is_some();
    schema.get("items").is_none() && (has_other_forms || object_schema(schema).is_none())
}
