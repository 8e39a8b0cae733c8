//! When to look at a task next: pure arithmetic on ages, so that it can be tested by the thousand.
//!
//! Each look makes Evolink ask its own provider, and lateness is what a client feels. The rule: find the earliest
//! end that the history still allows, and look one *gap* later, or just past the last end known inside that gap.
//! Durations spread widely are then looked for at gaps of a fixed share of the age; durations that hardly vary are
//! found by a single look.

use std::time::Duration;

use super::history::{History, Probe};

/// The gap between looks, as a share of the task's age: with a mean lag of half a gap, success is noticed within
/// about 3 % of the generation's time, and a task of 30 s that may end from 10 s on is looked at some 20 times.
const GAP_SHARE: f64 = 0.0635;
/// The shortest gap asked for, whatever the age.
const GAP_MIN: Duration = Duration::from_millis(400);
/// How far past the last known end inside a gap the look is placed, as a part of the gap or of the ends' spread.
const MARGIN_PART: u32 = 8;
const MARGIN_MIN: Duration = Duration::from_millis(100);
/// How far below the shortest known end one is expected: as far as this one of the known ends is above it.
const EDGE: usize = 2;
/// Gaps grow by this share with each look beyond so many: no task of half a minute is looked at more than 24 times.
const GAP_GROWTH: f64 = 0.15;
const LOOKS_USUAL: u32 = 17;
/// Where in its time a task is looked at to notice that such tasks have become faster.
const FASTER_PART: f64 = 0.5;
/// A probe is made where it can teach at least so much.
const PROBE_WORTH: Duration = Duration::from_millis(150);
/// Fewer tasks than this teach nothing.
const LEARNED_MIN: usize = 8;
/// The first look of a cold start.
const COLD_FIRST: Duration = Duration::from_secs(3);
/// Cold gaps, as a share of the age: up to half of the shortest documented time, and from there on.
const COLD_SHARE_EARLY: f64 = 0.2;
const COLD_SHARE: f64 = 0.1;
/// How gaps grow, look by look, where the history expects no end any more.
const TAIL_GROWTH: f64 = 1.25;

/// Where a callback is expected, the first look is so long behind nearly all known ends: callbacks take a moment.
const CALLBACK_GRACE: Duration = Duration::from_secs(2);
/// And one look is made so long after the other.
const CALLBACK_EVERY: Duration = Duration::from_secs(30);
/// So many parts of the known ends less one lie before that first look.
const NEARLY_ALL: usize = 20;

/// Bounds from the configuration (`evolink.poll`).
#[derive(Debug, Clone, Copy)]
pub struct PollBounds {
    /// Shortest time from the create to the first look, and between two looks at one task.
    pub min: Duration,
    /// Longest time from the create to the first look, and between two looks at one task.
    pub max: Duration,
}

/// What is known of a task besides its class's history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints {
    /// `task_info.estimated_time`: may bring the first look forward, never delay it.
    pub estimated: Option<Duration>,
    /// The documented times of such tasks, shortest and longest.
    pub typical: (Duration, Duration),
    /// Looks made so far.
    pub looks: u32,
    /// Whether a look is still to be made a probe.
    pub probe: Option<Probe>,
    /// Where between two ages to probe, from 0 to 1: by chance, so that tasks made together learn different things.
    pub part: f64,
}

/// The widest gap between two looks at which a task of this age is still noticed in time.
pub(super) fn gap(age: Duration) -> Duration {
    age.mul_f64(GAP_SHARE).max(GAP_MIN)
}

/// The next look at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The task's age then.
    pub at: Duration,
    /// Made earlier than the history says, to learn.
    pub probe: Option<Probe>,
}

/// When to look next. `seen`: the age at the last look (`None` before the first).
pub(super) fn next_look(history: &History, hints: Hints, seen: Option<Duration>, bounds: PollBounds) -> Look {
    let from = seen.unwrap_or_default();
    let (earliest, latest) = (from + bounds.min, from + bounds.max.max(bounds.min));
    let points = history.points();
    if points.len() < LEARNED_MIN {
        return Look { at: cold(hints, seen).clamp(earliest, latest), probe: None };
    }
    let wish = from + learned(points, from).saturating_sub(from).mul_f64(patience(hints.looks));
    let at = wish.clamp(earliest, latest);
    let low = match hints.probe {
        Some(Probe::Faster) if seen.is_none() => Duration::ZERO,
        Some(Probe::Closer) if at == wish => history.seen_running_before(at),
        _ => at,
    };
    let between = at.saturating_sub(low);
    let part = if hints.probe == Some(Probe::Faster) { FASTER_PART } else { hints.part };
    // Never so late that the regular look would have to wait for its shortest gap.
    let early = (low + between.mul_f64(part)).min(at.saturating_sub(bounds.min));
    if early < earliest || early <= low || between < PROBE_WORTH {
        return Look { at, probe: None };
    }
    Look { at: early, probe: hints.probe }
}

/// The age at which to look next where a callback is expected, which may be lost.
pub(super) fn fallback_look(history: &History, hints: Hints, seen: Option<Duration>) -> Duration {
    let points = history.points();
    let nearly_all = match points.get(points.len().saturating_sub(points.len() / NEARLY_ALL + 1)) {
        Some(point) if points.len() >= LEARNED_MIN => *point + gap(*point),
        _ => hints.typical.1,
    };
    seen.map_or(nearly_all + CALLBACK_GRACE, |seen| seen + CALLBACK_EVERY)
}

fn cold(hints: Hints, seen: Option<Duration>) -> Duration {
    match seen {
        None => hints.estimated.unwrap_or(COLD_FIRST).min(COLD_FIRST),
        Some(age) if age < hints.typical.0 / 2 => age + age.mul_f64(COLD_SHARE_EARLY),
        Some(age) => age + age.mul_f64(COLD_SHARE),
    }
}

fn learned(points: &[Duration], from: Duration) -> Duration {
    // Ends are known by samples only: one that lies two gaps back still speaks for an end right now, ...
    let still_possible = points.partition_point(|point| *point + 2 * gap(from) <= from);
    let earliest = match points.get(still_possible) {
        // ... and the shortest one for shorter ones, as much shorter as the next ones are longer.
        Some(shortest) if still_possible == 0 => {
            let spread = points.get(EDGE).map_or(Duration::ZERO, |longer| longer.saturating_sub(*shortest));
            shortest.saturating_sub(spread)
        }
        Some(earliest) => *earliest,
        None => return from + tail_gap(points, from),
    };
    let start = from.max(earliest);
    let latest = start + gap(start);
    let first = points.partition_point(|point| *point < start);
    let behind = points.partition_point(|point| *point <= latest);
    let next = points.get(behind);
    match points.get(first..behind).and_then(<[_]>::last) {
        // The known ends go on: so do the looks, at full gaps.
        Some(_) if next.is_some_and(|next| *next < latest + gap(latest)) => latest,
        Some(point) => (*point + margin(points, *point)).min(latest),
        // No end is known here: where ends lie close together this one must be near.
        None => start + gap(start).min(spread(points).max(GAP_MIN)),
    }
}

/// How far past a known end a look is placed: ends that lie close together are known well.
fn margin(points: &[Duration], point: Duration) -> Duration {
    (gap(point) / MARGIN_PART).min((spread(points) / 4).max(MARGIN_MIN))
}

/// From the shortest to the longest.
pub(super) fn spread(points: &[Duration]) -> Duration {
    match (points.first(), points.last()) {
        (Some(shortest), Some(longest)) => longest.saturating_sub(*shortest),
        _ => Duration::ZERO,
    }
}

/// How much longer gaps become for a task that was looked at often.
fn patience(looks: u32) -> f64 {
    1.0 + GAP_GROWTH * f64::from(looks.saturating_sub(LOOKS_USUAL))
}

/// Past every known end: gaps widen with the distance from the last one.
fn tail_gap(points: &[Duration], from: Duration) -> Duration {
    let beyond = points.last().map_or(Duration::ZERO, |last| from.saturating_sub(*last));
    let looks_beyond = beyond.as_secs_f64() / gap(from).as_secs_f64();
    gap(from).mul_f64(TAIL_GROWTH.powf(looks_beyond.min(16.0)))
}
