//! Evolink's own parameters that only some models have: which values each takes, and what is made of a request's.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::fault::wording::{quote, supported};
use crate::openai::ignore;

/// The parameter whose members are parameters of the model.
pub const MODEL_PARAMS: &str = "model_params";

/// One parameter of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnParameter {
    /// As upstream names it; a member of `model_params` is `model_params.NAME`.
    pub name: String,
    pub kind: OwnKind,
}

/// The values a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnKind {
    /// At most so many characters.
    Text {
        chars_max: usize,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Flag,
    Choice(Vec<String>),
    /// `[{"type": "web_search"}]`, or an empty list.
    WebSearchTools,
}

impl OwnParameter {
    pub fn new(name: impl Into<String>, kind: OwnKind) -> Self {
        Self { name: name.into(), kind }
    }

    pub fn flag(name: &str) -> Self {
        Self::new(name, OwnKind::Flag)
    }

    pub fn choice(name: &str, choices: &[&str]) -> Self {
        Self::new(name, OwnKind::Choice(choices.iter().map(|choice| (*choice).to_owned()).collect()))
    }

    pub fn seed(min: i64, max: i64) -> Self {
        Self::new(SEED, OwnKind::Integer { min, max })
    }

    /// Why upstream would not take the value, in words; None when it would.
    pub fn problem(&self, value: &Value) -> Option<String> {
        match &self.kind {
            OwnKind::Text { chars_max } => match value.as_str().map(|text| text.chars().count()) {
                None => Some("Expected a string.".to_owned()),
                Some(chars) if chars > *chars_max => {
                    Some(format!("It has {chars} characters; at most {chars_max} are taken."))
                }
                Some(_) => None,
            },
            OwnKind::Integer { min, max } => {
                let fits = value.as_i64().is_some_and(|number| (*min..=*max).contains(&number));
                (!fits).then(|| format!("Expected an integer from {min} to {max}."))
            }
            OwnKind::Flag => (!value.is_boolean()).then(|| "Expected true or false.".to_owned()),
            OwnKind::Choice(choices) => {
                let known = value.as_str().is_some_and(|text| choices.iter().any(|choice| choice == text));
                (!known).then(|| supported(choices))
            }
            OwnKind::WebSearchTools => {
                let is_search = |tool: &Value| *tool == serde_json::json!({"type": "web_search"});
                let fits = value.as_array().is_some_and(|tools| tools.iter().all(is_search));
                (!fits).then(|| "Expected [{\"type\": \"web_search\"}].".to_owned())
            }
        }
    }
}

/// Counts up with the picture's index, so that the pictures of one request differ.
const SEED: &str = "seed";

/// The parameters of a request that the model has, checked; the names of the others go to `ignored`.
pub(super) fn settle(
    own: &[OwnParameter],
    given: Map<String, Value>,
    count: u8,
    ignored: &mut Vec<String>,
) -> Result<Map<String, Value>, Fault> {
    let mut taken = Map::new();
    for (name, value) in given {
        match value {
            Value::Object(members) if name == MODEL_PARAMS => {
                let members = members_of(own, members, ignored)?;
                if !members.is_empty() {
                    taken.insert(name, members.into());
                }
            }
            value => match own.iter().find(|parameter| parameter.name == name) {
                Some(parameter) => {
                    check(parameter, &value, count)?;
                    taken.insert(name, value);
                }
                None => ignore(ignored, &name),
            },
        }
    }
    Ok(taken)
}

fn members_of(
    own: &[OwnParameter],
    given: Map<String, Value>,
    ignored: &mut Vec<String>,
) -> Result<Map<String, Value>, Fault> {
    let mut taken = Map::new();
    if !own.iter().any(|parameter| parameter.name.starts_with(MODEL_PARAMS)) {
        ignore(ignored, MODEL_PARAMS);
        return Ok(taken);
    }
    for (name, value) in given {
        let whole = format!("{MODEL_PARAMS}.{name}");
        match own.iter().find(|parameter| parameter.name == whole) {
            // null is absent, as at the top
            Some(_) if value.is_null() => {}
            Some(parameter) => {
                check(parameter, &value, 1)?;
                taken.insert(name, value);
            }
            None => ignore(ignored, &whole),
        }
    }
    Ok(taken)
}

fn check(parameter: &OwnParameter, value: &Value, count: u8) -> Result<(), Fault> {
    let name = &parameter.name;
    if let Some(problem) = parameter.problem(value) {
        let shown = match value {
            Value::String(text) => quote(text),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => other.to_string(),
        };
        return Err(Fault::invalid(name.clone(), format!("Invalid value for '{name}': {shown}. {problem}")));
    }
    let last = value.as_i64().map(|seed| seed.saturating_add(i64::from(count) - 1));
    match (&parameter.kind, last) {
        (OwnKind::Integer { max, .. }, Some(last)) if name == SEED && last > *max => {
            let message = format!(
                "Invalid value for 'seed': each picture has a seed of its own, counted up from the first, so 'seed' \
                 plus 'n' minus 1 may be at most {max}."
            );
            Err(Fault::invalid(SEED, message))
        }
        _ => Ok(()),
    }
}
