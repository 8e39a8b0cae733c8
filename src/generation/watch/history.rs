//! What tasks of a class have taken lately.
//!
//! A task is only ever *seen* to have ended, at a look; its end lies between the last look that found it running and
//! that one. Where all tasks take about the same time, ages at which others were seen running narrow this down. The
//! history keeps a point two thirds up the gap: a look a little late costs less than one that finds the task still
//! running. Where nothing narrows it down, the point lies well before the look, so that a history of lucky first looks
//! moves downwards until one of them finds a task still running.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::schedule::{gap, spread};
use crate::image::TaskClass;

/// Tasks remembered for each class: enough for the shape, few enough to follow a change within minutes.
const POINTS_MAX: usize = 64;
/// Ages remembered at which tasks were seen running: longer than the points, since a schedule that works well brings
/// new ones only seldom.
const RUNNING_MAX: usize = 256;
/// Classes remembered; one more empties the table (a catalog has far fewer).
const CLASSES_MAX: usize = 512;
/// Of so many tasks one is probed to notice that tasks have become faster, and every other one to learn where exactly
/// they end, as long as that is not known.
const PROBE_EVERY: u32 = 8;

/// A look made earlier than the history says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// At half the time, to notice that tasks have become faster than the history believes.
    Faster,
    /// Between where tasks were seen running and where they are found done, to learn where in between they end.
    Closer,
}

/// The durations of every class.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<TaskClass, History>);

impl Histories {
    pub(super) fn of(&mut self, class: &TaskClass) -> &mut History {
        if self.0.len() >= CLASSES_MAX && !self.0.contains_key(class) {
            self.0.clear();
        }
        self.0.entry(class.clone()).or_default()
    }
}

/// The durations of one class, in the order learned and sorted.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The points, oldest first.
    recent: VecDeque<Duration>,
    /// The ages at which tasks were last seen running, oldest first.
    running: VecDeque<Duration>,
    sorted: Vec<Duration>,
    tasks: u32,
}

impl History {
    /// Durations learned, shortest first.
    pub(super) fn points(&self) -> &[Duration] {
        &self.sorted
    }

    /// Counts a task in, and says whether a look at it should be a probe.
    pub(super) fn admit(&mut self) -> Option<Probe> {
        self.tasks = self.tasks.wrapping_add(1);
        match self.tasks % PROBE_EVERY {
            0 => Some(Probe::Faster),
            turn if turn.is_multiple_of(2) => Some(Probe::Closer),
            _ => None,
        }
    }

    /// A task was running at age `after` (zero: never seen running) and ended at age `by`.
    pub(super) fn learn(&mut self, after: Duration, by: Duration) {
        let open = by.saturating_sub(self.seen_running_before(by).max(after));
        let before = if open <= 2 * gap(by) { open / 3 } else { (gap(by) / 2).max(open / 4) };
        let point = by.saturating_sub(before);
        if self.recent.len() >= POINTS_MAX {
            self.forget_oldest();
        }
        self.recent.push_back(point);
        if self.running.len() >= RUNNING_MAX {
            self.running.pop_front();
        }
        self.running.push_back(after);
        let place = self.sorted.partition_point(|other| *other < point);
        self.sorted.insert(place, point);
    }

    /// A probe at `age` found its task done.
    pub(super) fn found_done(&mut self, probe: Probe, age: Duration) {
        match probe {
            // Nothing that was believed holds.
            Probe::Faster => *self = Self { tasks: self.tasks, ..Self::default() },
            // What was believed to end later was only found later.
            Probe::Closer => {
                self.recent.iter_mut().chain(&mut self.sorted).for_each(|point| *point = age.min(*point));
            }
        }
    }

    /// The highest age below `by` at which a task was seen running. It says something of other tasks only where all take
    /// about the same time; where they differ, zero.
    pub(super) fn seen_running_before(&self, by: Duration) -> Duration {
        if spread(&self.sorted) > 2 * gap(by) {
            return Duration::ZERO;
        }
        self.running.iter().filter(|running| **running < by).max().copied().unwrap_or_default()
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.recent.pop_front() else { return };
        let place = self.sorted.partition_point(|other| *other < oldest);
        if place < self.sorted.len() {
            self.sorted.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: f64) -> Duration {
        Duration::from_secs_f64(value)
    }

    #[test]
    fn a_tight_gap_is_learned_by_a_point_inside() {
        let mut history = History::default();
        history.learn(seconds(9.7), seconds(10.0));
        assert_eq!(history.points(), [seconds(9.9)]);
    }

    #[test]
    fn a_lucky_first_look_is_learned_as_well_before_it() {
        let mut history = History::default();
        history.learn(Duration::ZERO, seconds(10.0));
        assert_eq!(history.points(), [seconds(7.5)]);
    }

    #[test]
    fn what_other_tasks_were_seen_running_at_narrows_a_lucky_look_down() {
        let mut history = History::default();
        history.learn(seconds(9.7), seconds(10.3));
        history.learn(Duration::ZERO, seconds(10.0));
        assert_eq!(history.points()[0], seconds(9.9));
    }

    #[test]
    fn the_oldest_points_are_forgotten_first() {
        let mut history = History::default();
        for second in 0..100_u32 {
            let end = seconds(f64::from(200 - second));
            history.learn(end, end);
        }
        assert_eq!(history.points().len(), POINTS_MAX);
        assert_eq!(history.points().first(), Some(&seconds(101.0)));
        assert_eq!(history.points().last(), Some(&seconds(164.0)));
    }
}
