//! The headers of answers to image requests.

use std::time::Duration;

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::evolink::TaskId;
use crate::generation::{Came, Finished, Generation};
use crate::image::Plan;
use crate::money::Credits;
use crate::openai::{Answer, ignored_header};
use crate::quota::RateStanding;
use crate::server::prefer::Preference;

const GATEWAY_GENERATION_ID: HeaderName = HeaderName::from_static("x-gateway-generation-id");
const EVOLINK_TASK_IDS: HeaderName = HeaderName::from_static("x-evolink-task-ids");
const GATEWAY_IGNORED: HeaderName = HeaderName::from_static("x-gateway-ignored");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const GATEWAY_CREDITS: HeaderName = HeaderName::from_static("x-gateway-credits");
const RATE_OF_REQUESTS: [&str; 3] =
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
const RATE_OF_IMAGES: [&str; 3] =
    ["x-ratelimit-limit-images", "x-ratelimit-remaining-images", "x-ratelimit-reset-images"];
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const GATEWAY_PARTIAL: HeaderName = HeaderName::from_static("x-gateway-partial");

/// The headers every answer carries once a generation exists.
pub(in crate::server) fn name_generation(headers: &mut HeaderMap, generation: &Generation) {
    put(headers, GATEWAY_GENERATION_ID, &generation.id().to_string());
    let tasks = generation.task_ids();
    if !tasks.is_empty() {
        let tasks: Vec<_> = tasks.iter().map(TaskId::as_str).collect();
        put(headers, EVOLINK_TASK_IDS, &tasks.join(", "));
    }
}

/// The same, but for what another team's generation is called.
pub(in crate::server) fn name_to(headers: &mut HeaderMap, generation: &Generation, access: Access) {
    if !access.is_foreign() {
        name_generation(headers, generation);
    }
}

/// Names the parameters that had no effect, on every answer once there is a plan.
pub(in crate::server) fn name_ignored(headers: &mut HeaderMap, plan: &Plan) {
    if !plan.ignored.is_empty() {
        put(headers, GATEWAY_IGNORED, &ignored_header(&plan.ignored));
    }
}

/// Whether what a request begins is kept for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Stored {
    Yes,
    /// It would be, but pictures cannot be stored at the moment.
    NotNow,
    /// The request or its team wants none.
    No,
}

/// How a request came to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Access {
    /// It began the generation; whether its answer is kept for others.
    First { stored: Stored },
    /// It found one of the same kind under way, or one that had reached nobody.
    Joined,
    /// It found one that had ended so long ago and answers for so long; `foreign`: another team's.
    Hit { age: Duration, left: Duration, foreign: bool },
    /// It asked for it by its id.
    ById,
}

impl Access {
    /// It found another team's.
    pub(in crate::server) const fn is_foreign(self) -> bool {
        matches!(self, Self::Hit { foreign: true, .. })
    }

    /// `stored`: what the request begins is kept for others.
    pub(in crate::server) fn of(came: Came, stored: Stored) -> Self {
        match came {
            Came::First => Self::First { stored },
            Came::Joined => Self::Joined,
            Came::Hit { age, left, foreign } => Self::Hit { age, left, foreign },
        }
    }

    /// As the log and the metrics call it.
    pub(in crate::server) const fn label(self) -> &'static str {
        match self {
            Self::First { stored: Stored::Yes | Stored::NotNow } => "miss",
            Self::First { stored: Stored::No } | Self::ById => "bypass",
            Self::Joined => "collapsed",
            Self::Hit { .. } => "hit",
        }
    }
}

/// Whether this request was the first for its generation, and how old the answer is.
pub(in crate::server) fn tell_access(headers: &mut HeaderMap, access: Access) {
    let status = match access {
        Access::First { stored: Stored::Yes } => "evolink-gateway; fwd=miss; stored",
        Access::First { stored: Stored::NotNow } => "evolink-gateway; fwd=miss",
        Access::First { stored: Stored::No } => "evolink-gateway; fwd=bypass",
        Access::Joined => "evolink-gateway; fwd=miss; collapsed",
        Access::Hit { age, left, .. } => {
            headers.insert(AGE, age.as_secs().into());
            return put(headers, CACHE_STATUS, &format!("evolink-gateway; hit; ttl={}", left.as_secs()));
        }
        Access::ById => return,
    };
    headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
}

/// A failure that is told again, without asking upstream.
pub(in crate::server) fn tell_failure_again(headers: &mut HeaderMap, access: Access) {
    if let Access::Hit { age, left, .. } = access {
        headers.insert(AGE, age.as_secs().into());
        let status = format!("evolink-gateway; hit; ttl={}; detail=negative", left.as_secs());
        put(headers, CACHE_STATUS, &status);
    }
}

/// Who comes by id is told what the generation cost: the answer that began it could not tell.
pub(super) fn tell_cost(headers: &mut HeaderMap, finished: &Finished, access: Access) {
    let credits = match access {
        Access::First { .. } | Access::ById => finished.credits(),
        Access::Joined | Access::Hit { .. } => Credits::ZERO,
    };
    put(headers, GATEWAY_CREDITS, &credits.to_string());
}

/// An answer of which a part is missing is not kept for others.
pub(super) fn tell_partial(headers: &mut HeaderMap, answer: &Answer, access: Access) {
    if !answer.errors.is_empty() {
        if access == (Access::First { stored: Stored::Yes }) {
            put(headers, CACHE_STATUS, "evolink-gateway; fwd=miss");
        }
        let made = answer.images.len();
        put(headers, GATEWAY_PARTIAL, &format!("{made}/{}", made + answer.errors.len()));
    }
}

/// The preference that was followed.
pub(in crate::server) fn tell_preference(headers: &mut HeaderMap, preference: Preference) {
    if let Some(applied) = preference.applied() {
        put(headers, PREFERENCE_APPLIED, &applied);
    }
}

/// Where the rates of the caller stand; nothing where there is no limit.
pub(in crate::server) fn tell_rates(headers: &mut HeaderMap, rates: &RateStanding) {
    for (names, standing) in [(RATE_OF_REQUESTS, rates.requests), (RATE_OF_IMAGES, rates.images)] {
        if let Some(standing) = standing {
            let values =
                [standing.limit.to_string(), standing.remaining.to_string(), go_duration(standing.reset)];
            for (name, value) in names.into_iter().zip(values) {
                put(headers, HeaderName::from_static(name), &value);
            }
        }
    }
}

/// As OpenAI writes them: `20ms`, `1s`, `6m0s`. Parts of a millisecond are rounded up.
fn go_duration(time: Duration) -> String {
    let millis = time.as_nanos().div_ceil(1_000_000);
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes, millis) {
        (0, 0) => "0s".to_owned(),
        (0, 1..1_000) => format!("{millis}ms"),
        (0, _) => format!("{seconds}s"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

/// What cannot stand in a header (it came from upstream or a client) is left out.
pub(in crate::server) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_does() {
        let written = |nanos| go_duration(Duration::from_nanos(nanos));
        let table = [
            (0, "0s"),
            (1, "1ms"),
            (20_000_000, "20ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (59_999_999_999, "1m0s"),
            (360_000_000_000, "6m0s"),
        ];
        for (nanos, text) in table {
            assert_eq!(written(nanos), text);
        }
    }
}
