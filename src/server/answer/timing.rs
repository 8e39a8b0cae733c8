//! `server-timing`: where the time of a request went, step by step.

use std::fmt::Write as _;
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
        // To a tenth of a millisecond.
        let tenths = took.as_micros().saturating_add(50) / 100;
        let _ = write!(told, "{separator}{name};dur={}.{}", tenths / 10, tenths % 10);
    }
    put(headers, SERVER_TIMING, &told);
}
