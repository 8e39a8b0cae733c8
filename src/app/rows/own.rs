//! The own parameters of a configured row.

use super::Findings;
use crate::catalog::{MODEL_PARAMS, OwnKind, OwnParameter};
use crate::config::settings::{ParameterKind, RowParameter};

/// Of Evolink's own parameters, those that requests may carry at the top.
pub(super) const OWN_NAMES: [&str; 7] =
    ["negative_prompt", "seed", "prompt_extend", "watermark", "nsfw_check", "prompt_priority", "tools"];

pub(super) fn own(name: &str, parameter: &RowParameter, findings: &mut Findings<'_>) -> OwnParameter {
    let column = format!("parameters[\"{name}\"]");
    let is_member =
        name.split_once('.').is_some_and(|(group, member)| group == MODEL_PARAMS && !member.is_empty());
    if !is_member && !OWN_NAMES.contains(&name) {
        let message = format!("must be model_params.NAME or one of {}", OWN_NAMES.join(", "));
        findings.add(&column, message);
    }
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let kind = match parameter.kind {
        ParameterKind::Text => {
            OwnKind::Text { chars_max: usize::try_from(parameter.max_length).unwrap_or(usize::MAX) }
        }
        ParameterKind::Integer if parameter.minimum > parameter.maximum => {
            findings.add(&column, "must not have a minimum above its maximum");
            OwnKind::Flag
        }
        ParameterKind::Integer => {
            OwnKind::Integer { min: integer(parameter.minimum), max: integer(parameter.maximum) }
        }
        ParameterKind::Boolean => OwnKind::Flag,
        ParameterKind::Choice if parameter.choices.is_empty() => {
            findings.add(&column, "needs choices");
            OwnKind::Flag
        }
        ParameterKind::Choice => OwnKind::Choice(parameter.choices.clone()),
        ParameterKind::WebSearch => OwnKind::WebSearchTools,
    };
    OwnParameter::new(name, kind)
}
