//! Settings whose feature is not there yet: understood, checked, and named once, so that none is silently without
//! effect. An entry leaves the table together with the feature's arrival.

use serde_json::Value;

use super::path::Path;
use super::problem::Warning;

/// A setting, the value at which there is nothing to say, and the warning.
struct NotYet {
    pattern: &'static [&'static str],
    unless: Option<&'static str>,
    message: &'static str,
}

const fn entry(
    pattern: &'static [&'static str],
    unless: Option<&'static str>,
    message: &'static str,
) -> NotYet {
    NotYet { pattern, unless, message }
}

const NOT_YET: &[NotYet] = &[
    entry(&["state", "redis"], None, "Redis is not used yet: the embedded database stands in"),
    entry(&["log", "prompts"], Some("false"), "prompts are never logged yet"),
    entry(&["tracing", "otlp_endpoint"], None, "traces are not sent yet"),
];

/// The warnings for what a file and the environment set. One feature is named once, at its first setting.
pub fn warnings(given: &Value) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    for entry in NOT_YET {
        if warnings.iter().any(|warning| warning.message == entry.message) {
            continue;
        }
        let has_effect = |value: &Value| {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            !is_empty(value) && entry.unless != Some(plain.as_str())
        };
        if let Some(path) = find(given, entry.pattern, &Path::root(), &has_effect) {
            warnings.push(Warning { path, message: entry.message.to_owned() });
        }
    }
    warnings
}

/// The first place that matches the pattern and the test.
fn find(value: &Value, pattern: &[&str], path: &Path, test: &dyn Fn(&Value) -> bool) -> Option<Path> {
    let Some((step, rest)) = pattern.split_first() else {
        return test(value).then(|| path.clone());
    };
    match value {
        Value::Array(items) if *step == "*" => {
            items.iter().enumerate().find_map(|(index, item)| find(item, rest, &path.join(index), test))
        }
        Value::Object(fields) => find(fields.get(*step)?, rest, &path.join(*step), test),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::setting::Setting;
    use crate::config::settings::Settings;

    fn told(given: &Value) -> Vec<String> {
        warnings(given).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_setting_without_effect_is_named_once() {
        let given = json!({
            "cache": {"enabled": false, "ttl": "1h"},
            "state": {"redis": {"url": "redis://localhost", "prefix": "a"}},
        });
        let message = "Redis is not used yet: the embedded database stands in";
        assert_eq!(told(&given), [format!("state.redis: {message}")]);
    }

    #[test]
    fn a_setting_that_says_what_holds_anyway_is_not_named() {
        let given = json!({
            "server": {"keepalive": {"enabled": false}},
            "cache": {"enabled": "false"},
            "limits": {"max_n": 1},
            "pricing": {"credits_per_usd": 70},
            "images": {"store": "s3", "path": "pictures", "keep": "1h", "max_size": "1GiB", "s3": {"bucket": "b"}},
            "log": {"prompts": false},
            "evolink": {"idempotency_window": "30m"},
        });
        assert_eq!(told(&given), [""; 0]);
    }

    #[test]
    fn every_entry_names_a_setting() {
        let schema = Settings::schema();
        for entry in NOT_YET {
            let mut at = &schema;
            for step in entry.pattern {
                at = match *step {
                    "*" => &at["items"],
                    key => &at["properties"][key],
                };
            }
            assert!(at.is_object(), "{:?}", entry.pattern);
        }
    }
}
