//! Text fields of a form, folded into the members that the same request would have in JSON.
//!
//! `n=2` stays a text until the parameter's reader asks for a number; brackets build objects and arrays
//! (`model_params[web_search]=true`, `tools[]=…`), whose leaves have nobody to ask and are read as JSON where they are
//! true, false or a number.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::fault::wording::quote;

/// Brackets of one name.
const DEPTH_MAX: usize = 8;

/// The members in the order of their first field. An empty text is absent; of a repeated name the last value counts.
pub(super) fn members(fields: Vec<(String, String)>) -> Result<Vec<(String, Value)>, Fault> {
    let mut members: Vec<(String, Value)> = Vec::new();
    for (name, text) in fields.into_iter().filter(|(_, text)| !text.is_empty()) {
        let (base, path) = split(&name);
        if path.len() > DEPTH_MAX {
            let message = format!("The name of the field {} has too many brackets.", quote(&name));
            return Err(Fault::invalid(base.to_owned(), message));
        }
        let value = if path.is_empty() { Value::String(text) } else { leaf(text) };
        let at = members.iter().position(|(known, _)| known == base).unwrap_or_else(|| {
            members.push((base.to_owned(), Value::Null));
            members.len() - 1
        });
        if let Some((_, member)) = members.get_mut(at) {
            put(member, &path, value);
        }
    }
    for (_, member) in &mut members {
        number(member);
    }
    Ok(members)
}

/// `a[b][]` is `a` with the path `b`, ``. A name whose brackets do not fit is one plain name.
fn split(name: &str) -> (&str, Vec<&str>) {
    let whole = (name, Vec::new());
    let Some((base, rest)) = name.split_once('[') else { return whole };
    let Some(rest) = rest.strip_suffix(']') else { return whole };
    let path: Vec<&str> = rest.split("][").collect();
    if base.is_empty() || path.iter().any(|key| key.contains(['[', ']'])) { whole } else { (base, path) }
}

fn leaf(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(text),
    }
}

/// Puts `value` where the path leads; what stands in the way is replaced.
fn put(place: &mut Value, path: &[&str], value: Value) {
    let Some((key, path)) = path.split_first() else {
        *place = value;
        return;
    };
    if key.is_empty() {
        if !place.is_array() {
            *place = Value::Array(Vec::new());
        }
        if let Value::Array(items) = place {
            let mut item = Value::Null;
            put(&mut item, path, value);
            items.push(item);
        }
        return;
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    if let Value::Object(members) = place {
        put(members.entry(*key).or_insert(Value::Null), path, value);
    }
}

/// Turns objects whose names are all numbers into arrays in the order of these: `tools[0]=…`, `tools[1]=…`.
fn number(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(number),
        Value::Object(members) => {
            members.values_mut().for_each(number);
            let places: Option<Vec<u32>> = members.keys().map(|name| name.parse().ok()).collect();
            let Some(places) = places else { return };
            let mut items: Vec<_> = places.into_iter().zip(members.values_mut().map(Value::take)).collect();
            items.sort_by_key(|(place, _)| *place);
            *value = items.into_iter().map(|(_, item)| item).collect();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn folded(fields: &[(&str, &str)]) -> Vec<(String, Value)> {
        members(fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()).unwrap()
    }

    fn one(fields: &[(&str, &str)]) -> Value {
        let mut members = folded(fields);
        assert_eq!(members.len(), 1);
        members.remove(0).1
    }

    #[test]
    fn fields_keep_their_order_the_last_of_a_name_counts_and_empty_ones_are_absent() {
        let fields = [("z", "1"), ("a", "x"), ("z", "2"), ("a", ""), ("empty", ""), ("null", "null")];
        assert_eq!(
            folded(&fields),
            [("z".into(), json!("2")), ("a".into(), json!("x")), ("null".into(), json!("null"))]
        );
    }

    #[test]
    fn brackets_build_objects_and_arrays() {
        let fields = [
            ("m[web]", "true"),
            ("m[n][deep]", "2.5"),
            ("m[t]", "two words"),
            ("m[l][]", "a"),
            ("m[l][]", "b"),
        ];
        assert_eq!(one(&fields), json!({"web": true, "n": {"deep": 2.5}, "t": "two words", "l": ["a", "b"]}));
        assert_eq!(one(&[("t[1][k]", "b"), ("t[0][k]", "a")]), json!([{"k": "a"}, {"k": "b"}]));
        assert_eq!(one(&[("t[]", "a"), ("t[]", "null")]), json!(["a", "null"]));
        assert_eq!(one(&[("m", "1"), ("m[a]", "1")]), json!({"a": 1}));
        assert_eq!(one(&[("m[a]", "1"), ("m", "1")]), json!("1"));
    }

    #[test]
    fn brackets_that_do_not_fit_belong_to_the_name() {
        for name in ["a[", "a]", "[a]", "a[b", "a[b]c", "a[[b]]", "a[b]][c]"] {
            assert_eq!(folded(&[(name, "1")]), [(name.to_owned(), json!("1"))]);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |brackets: usize| members(vec![(format!("a{}", "[b]".repeat(brackets)), "1".to_owned())]);
        assert!(deep(DEPTH_MAX).is_ok());
        let fault = deep(100_000).unwrap_err();
        assert_eq!((fault.status(), fault.param()), (400, Some("a")));
        assert!(fault.message().len() < 200, "{}", fault.message());
    }

    proptest! {
        #[test]
        fn no_names_upset_the_folding(
            fields in prop::collection::vec(("[ab0-9\\[\\]]{0,12}|.*", ".*"), 0..12),
        ) {
            let _ = members(fields);
        }
    }
}
