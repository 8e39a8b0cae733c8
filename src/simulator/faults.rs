//! Faults: what can be made to go wrong, and the one notation for it.
//!
//! A fault is written `phase:name`, with an optional count and arguments: `create:429*2;retry-after=1`. The same text
//! works as `--fault`, in `POST /_simulator/faults`, by [`FromStr`] in tests, and in square brackets inside a prompt.
//! Knows nothing of tasks or HTTP; what a fault does is decided where its phase is served.

mod armed;
mod effects;

use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;

pub(super) use armed::{Armed, words_in};
use effects::{CREATE, DONE, FILES, MEDIA, POLL};
pub use effects::{Create, Done, Effect, Files, Media, Poll};

/// One fault and how often it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub effect: Effect,
    /// How often; always without it. In a prompt it counts per task, or per upstream key for creates; elsewhere calls.
    pub times: Option<u32>,
    /// Only where the prompt contains this text.
    pub contains: Option<String>,
    /// Details that some effects take.
    pub details: Details,
}

/// Arguments after `;`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// `retry-after=1`: the header, in seconds.
    pub retry_after: Option<u32>,
    /// `code=key_disabled`: the error code instead of the status' usual one.
    pub code: Option<String>,
    /// `status=503`: the HTTP status instead of the effect's usual one.
    pub status: Option<StatusCode>,
    /// `seconds=2.5`: how long slow things take.
    pub after: Option<Duration>,
}

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    #[error(
        "'{0}' is no fault: write phase:name, phases are create, poll, done, fail, latency, media, files"
    )]
    Phase(String),
    #[error("'{name}' is no fault of {phase}: an HTTP status from 400 to 599, or one of {known}")]
    Name { phase: &'static str, name: String, known: String },
    #[error("'{0}' is no count: write *N with N from 1")]
    Count(String),
    #[error(
        "'{0}' is no argument: retry-after=SECONDS, code=CODE, status=400..599, seconds=S, contains=TEXT"
    )]
    Argument(String),
    #[error("'{0}' is no task error code: lower-case letters and underscores")]
    Code(String),
    #[error("'{0}' is no duration: write 250ms, 2s or 2.5")]
    Duration(String),
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.trim().split(';');
        let head = parts.next().unwrap_or_default();
        let (head, times) = match head.split_once('*') {
            Some((head, count)) => (head, Some(counted(count)?)),
            None => (head, None),
        };
        let mut fault = Self { effect: effect(head)?, times, contains: None, details: Details::default() };
        for part in parts {
            argument(&mut fault, part.trim())?;
        }
        Ok(fault)
    }
}

/// A duration as the flags and faults write it: `250ms`, `2s`, `2.5` (seconds), `1m`.
pub fn duration(text: &str) -> Result<Duration, FaultError> {
    let wrong = || FaultError::Duration(text.to_owned());
    let (number, unit) = match text.find(|c: char| !(c.is_ascii_digit() || c == '.')) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * scale).map_err(|_| wrong())
}

fn counted(count: &str) -> Result<u32, FaultError> {
    count.parse().ok().filter(|count| *count > 0).ok_or_else(|| FaultError::Count(count.to_owned()))
}

fn effect(head: &str) -> Result<Effect, FaultError> {
    let (phase, name) = head.split_once(':').ok_or_else(|| FaultError::Phase(head.to_owned()))?;
    Ok(match phase {
        "create" => Effect::Create(named("create", name, CREATE, Create::Status)?),
        "poll" => Effect::Poll(named("poll", name, POLL, Poll::Status)?),
        "media" => Effect::Media(named("media", name, MEDIA, Media::Status)?),
        "files" => Effect::Files(named("files", name, FILES, Files::Status)?),
        "done" => {
            let done = DONE.iter().find(|(known, _)| *known == name).map(|(_, done)| *done);
            Effect::Done(done.ok_or_else(|| unknown("done", name, DONE))?)
        }
        "fail" if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
            Effect::Fail(name.to_owned())
        }
        "fail" => return Err(FaultError::Code(name.to_owned())),
        "latency" => Effect::Latency(duration(name)?),
        _ => return Err(FaultError::Phase(head.to_owned())),
    })
}

fn named<T: Copy>(
    phase: &'static str,
    name: &str,
    table: &[(&str, T)],
    by_status: impl Fn(StatusCode) -> T,
) -> Result<T, FaultError> {
    if let Some((_, found)) = table.iter().find(|(known, _)| *known == name) {
        return Ok(*found);
    }
    error_status(name).map(by_status).ok_or_else(|| unknown(phase, name, table))
}

fn unknown<T>(phase: &'static str, name: &str, table: &[(&str, T)]) -> FaultError {
    let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
    FaultError::Name { phase, name: name.to_owned(), known: known.join(", ") }
}

fn error_status(text: &str) -> Option<StatusCode> {
    let status: u16 = text.parse().ok().filter(|status| (400..600).contains(status))?;
    StatusCode::from_u16(status).ok()
}

fn argument(fault: &mut Fault, part: &str) -> Result<(), FaultError> {
    let wrong = || FaultError::Argument(part.to_owned());
    let (name, value) = part.split_once('=').ok_or_else(wrong)?;
    match name {
        "retry-after" => fault.details.retry_after = Some(value.parse().map_err(|_| wrong())?),
        "code" if !value.is_empty() => fault.details.code = Some(value.to_owned()),
        "status" => fault.details.status = Some(error_status(value).ok_or_else(wrong)?),
        "seconds" => fault.details.after = Some(duration(value).map_err(|_| wrong())?),
        "contains" if !value.is_empty() => fault.contains = Some(value.to_owned()),
        _ => return Err(wrong()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_count_and_arguments() {
        let fault: Fault = "create:429*2;retry-after=1;contains=cat".parse().unwrap();
        assert_eq!(fault.effect, Effect::Create(Create::Status(StatusCode::TOO_MANY_REQUESTS)));
        assert_eq!((fault.times, fault.details.retry_after), (Some(2), Some(1)));
        assert_eq!(fault.contains.as_deref(), Some("cat"));
        assert_eq!(
            "latency:250ms".parse::<Fault>().unwrap().effect,
            Effect::Latency(Duration::from_millis(250))
        );
        assert_eq!(
            "fail:service_error".parse::<Fault>().unwrap().effect,
            Effect::Fail("service_error".to_owned())
        );
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "create",
            "create:",
            "create:200",
            "create:nonsense",
            "poll:999",
            "create:500*0",
            "create:500*x",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
        for text in
            ["fail:", "fail:Bad Code", "latency:fast", "create:500;x=1", "create:500;retry-after=soon"]
        {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
        let error = "done:nonsense".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("no-links"), "{error}");
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("10h").is_err());
        assert!(duration("s").is_err());
    }
}
