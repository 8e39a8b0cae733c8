//! Reads what is asked of keys: a JSON object of known members.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::{Map, Value};

use crate::fault::{Fault, FaultKind, wording};

/// The longest name, in characters: as the configuration has it.
const NAME_MAX: usize = 64;
/// How long a rotated key works on, unless told otherwise: a day to hand the new one out.
const GRACE: Duration = Duration::from_hours(24);
/// The longest such time.
const GRACE_MAX: Duration = Duration::from_hours(366 * 24);

/// A key to be minted.
#[derive(Debug, PartialEq)]
pub(super) struct Mint {
    pub(super) team: String,
    pub(super) name: String,
    pub(super) expires: Option<Timestamp>,
}

/// How a key is to be rotated.
#[derive(Debug, PartialEq)]
pub(super) struct Rotate {
    pub(super) grace: Duration,
    /// Of the new key.
    pub(super) expires: Option<Timestamp>,
}

pub(super) fn mint(body: &[u8], now: Timestamp) -> Result<Mint, Fault> {
    let mut members = members(body, &["team", "name", "expires"])?;
    let team = text(&mut members, "team")?;
    let name = text(&mut members, "name")?;
    let is_printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !is_printable || name.chars().count() > NAME_MAX {
        return Err(Fault::invalid("name", format!("'name' must be 1 to {NAME_MAX} printable characters.")));
    }
    Ok(Mint { team, name, expires: expires(&mut members, now)? })
}

/// An empty body asks for what is usual.
pub(super) fn rotate(body: &[u8], now: Timestamp) -> Result<Rotate, Fault> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut members = members(body, &["grace", "expires"])?;
    Ok(Rotate { grace: grace(&mut members)?, expires: expires(&mut members, now)? })
}

/// Without those that are null, which are as good as absent.
fn members(body: &[u8], known: &[&'static str]) -> Result<Map<String, Value>, Fault> {
    let broken = || {
        let message = format!("The body must be a JSON object. Its members: {}.", known.join(", "));
        Fault::new(FaultKind::InvalidJson, message)
    };
    let mut members: Map<String, Value> = serde_json::from_slice(body).map_err(|_| broken())?;
    members.retain(|_, value| !value.is_null());
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => {
            let quoted = wording::quote(name);
            let message = format!("Unknown parameter {quoted}. {}", wording::supported(known));
            let param = quoted.trim_matches('\'').to_owned();
            Err(Fault::new(FaultKind::UnknownParameter, message).with_param(param))
        }
    }
}

fn text(members: &mut Map<String, Value>, name: &'static str) -> Result<String, Fault> {
    match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Fault::invalid(name, format!("'{name}' must be a string."))),
        None => {
            let message = format!("'{name}' is missing.");
            Err(Fault::new(FaultKind::MissingParameter, message).with_param(name))
        }
    }
}

/// As the configuration writes it, or as lists show it.
fn expires(members: &mut Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let Some(value) = members.remove("expires") else { return Ok(None) };
    let moment = match &value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64().and_then(|second| Timestamp::from_second(second).ok()),
    };
    let moment: Timestamp = moment.ok_or_else(|| {
        let message = "'expires' must be a moment such as \"2027-01-31T00:00:00Z\", or Unix time in seconds.";
        Fault::invalid("expires", message)
    })?;
    if moment <= now {
        return Err(Fault::invalid("expires", "'expires' is over already. Use a moment that is to come."));
    }
    Ok(Some(moment))
}

fn grace(members: &mut Map<String, Value>) -> Result<Duration, Fault> {
    let Some(value) = members.remove("grace") else { return Ok(GRACE) };
    let wrong = || {
        let message = "'grace' must be a duration such as \"24h\", \"90m\" or \"7d\" of a year at most; \"0s\" ends the old \
                       key at once.";
        Fault::invalid("grace", message)
    };
    let grace = match &value {
        Value::String(text) if text.trim() == "0" => Some(Duration::ZERO),
        Value::String(text) => duration(text),
        other => other.as_u64().filter(|seconds| *seconds == 0).map(Duration::from_secs),
    };
    grace.filter(|grace| *grace <= GRACE_MAX).ok_or_else(wrong)
}

/// A day has 24 hours here. None for a negative one.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    length.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn minted(body: &Value) -> Result<Mint, Fault> {
        mint(body.to_string().as_bytes(), NOW)
    }

    #[test]
    fn a_key_is_asked_for_with_team_and_name_and_perhaps_an_end() {
        let later = Timestamp::constant(1_790_000_001, 0);
        for (given, expires) in [
            (json!("2026-09-21T14:13:21Z"), Some(later)),
            (json!(1_790_000_001), Some(later)),
            (Value::Null, None),
        ] {
            let read = minted(&json!({"team": "design", "name": "ci", "expires": given})).unwrap();
            assert_eq!(read, Mint { team: "design".into(), name: "ci".into(), expires }, "{given}");
        }
    }

    #[test]
    fn what_makes_no_key_is_refused_with_what_would() {
        let long = "x".repeat(65);
        for (body, code, param, works) in [
            (json!({"name": "ci"}), "missing_required_parameter", "team", "missing"),
            (json!({"team": "a", "name": null}), "missing_required_parameter", "name", "missing"),
            (json!({"team": 1, "name": "ci"}), "invalid_value", "team", "string"),
            (json!({"team": "a", "name": " "}), "invalid_value", "name", "1 to 64"),
            (json!({"team": "a", "name": "a\nb"}), "invalid_value", "name", "printable"),
            (json!({"team": "a", "name": long}), "invalid_value", "name", "1 to 64"),
            (json!({"team": "a", "name": "b", "expires": "soon"}), "invalid_value", "expires", "2027-01-31"),
            (json!({"team": "a", "name": "b", "expires": 1.5}), "invalid_value", "expires", "Unix time"),
            (
                json!({"team": "a", "name": "b", "expires": 1_790_000_000}),
                "invalid_value",
                "expires",
                "to come",
            ),
            (json!({"team": "a", "name": "b", "secret": "s"}), "unknown_parameter", "secret", "'expires'"),
        ] {
            let fault = minted(&body).unwrap_err();
            let told = (fault.status(), fault.code(), fault.param());
            assert_eq!(told, (400, code, Some(param)), "{body}");
            assert!(fault.message().contains(works), "{body}: {}", fault.message());
        }
        for body in ["", "[]", "\"egk_secret\"", "{", "{\"team\": \"egk_secret\""] {
            let fault = mint(body.as_bytes(), NOW).unwrap_err();
            assert_eq!((fault.status(), fault.code()), (400, "invalid_json"), "{body}");
            assert!(!fault.message().contains("egk_secret"), "{}", fault.message());
        }
    }

    #[test]
    fn a_grace_is_a_duration_of_a_year_at_most_and_usually_a_day() {
        let grace = |body: Value| rotate(body.to_string().as_bytes(), NOW).map(|read| read.grace.as_secs());
        for (given, seconds) in [
            (json!({}), 86_400),
            (json!({"grace": null}), 86_400),
            (json!({"grace": "24h"}), 86_400),
            (json!({"grace": "1h30m"}), 5400),
            (json!({"grace": "7d"}), 604_800),
            (json!({"grace": "90s"}), 90),
            (json!({"grace": "0s"}), 0),
            (json!({"grace": "0"}), 0),
            (json!({"grace": 0}), 0),
        ] {
            assert_eq!(grace(given.clone()).unwrap(), seconds, "{given}");
        }
        assert_eq!(rotate(b"", NOW).unwrap().grace, GRACE);
        for wrong in [
            json!("-1h"),
            json!("soon"),
            json!(""),
            json!(90),
            json!("367d"),
            json!("1mo"),
            json!(true),
            json!("90"),
        ] {
            let fault = grace(json!({"grace": wrong})).unwrap_err();
            assert_eq!((fault.status(), fault.param()), (400, Some("grace")), "{wrong}");
        }
        assert_eq!(rotate(b"{\"grace_period\": 1}", NOW).unwrap_err().code(), "unknown_parameter");
    }
}
