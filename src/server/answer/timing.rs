//! `server-timing`: where the time of a request went, step by step.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::Made;
use super::head::{Access, put};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What went before the wait of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct Before {
    /// Finding its caller.
    pub(in crate::server) auth: Duration,
    /// Its limits, and the admission of what it began, written down.
    pub(in crate::server) quota: Duration,
    /// Finding what answers already.
    pub(in crate::server) cache: Duration,
}

impl Before {
    /// `limits`: the time of asking them. `found`: until there was something to wait for.
    pub(in crate::server) fn of(auth: Duration, limits: Duration, found: Duration, access: Access) -> Self {
        match access {
            Access::First { .. } | Access::ById => {
                Self { auth, quota: limits + found, cache: Duration::ZERO }
            }
            Access::Joined | Access::Hit { .. } => Self { auth, quota: limits, cache: found },
        }
    }
}

/// The steps of the generation are told to those who waited for them.
pub(super) fn tell(headers: &mut HeaderMap, before: Before, made: &Made, encode: Duration, access: Access) {
    let Before { auth, quota, cache } = before;
    let timing = match access {
        Access::Hit { .. } => crate::generation::Timing::default(),
        Access::First { .. } | Access::Joined | Access::ById => made.finished.timing,
    };
    let steps = [
        ("auth", auth),
        ("quota", quota),
        ("cache", cache),
        ("queue", timing.queue),
        ("create", timing.create),
        ("wait", timing.wait),
        ("fetch", made.pictures.took),
        ("encode", encode),
    ];
    let mut told = String::with_capacity(160);
    for (name, took) in steps {
        let separator = if told.is_empty() { "" } else { ", " };
        told.push_str(separator);
        told.push_str(name);
        told.push_str(";dur=");
        push_tenths(&mut told, took);
    }
    put(headers, SERVER_TIMING, &told);
}

/// Milliseconds with one digit behind the point. Without `write!`, which for the eight of every answer costs more than
/// all other headers together.
fn push_tenths(told: &mut String, took: Duration) {
    let tenths = u64::try_from(took.as_micros().saturating_add(50) / 100).unwrap_or(u64::MAX);
    told.push_str(&(tenths / 10).to_string());
    told.push('.');
    told.extend(u32::try_from(tenths % 10).ok().and_then(|digit| char::from_digit(digit, 10)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_milliseconds_to_a_tenth() {
        let table = [
            (0, "0.0"),
            (49, "0.0"),
            (50, "0.1"),
            (949, "0.9"),
            (950, "1.0"),
            (12_340, "12.3"),
            (3_600_000_000, "3600000.0"),
        ];
        for (micros, told) in table {
            let mut text = String::new();
            push_tenths(&mut text, Duration::from_micros(micros));
            assert_eq!(text, told);
        }
        push_tenths(&mut String::new(), Duration::MAX);
    }
}
