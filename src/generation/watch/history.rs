//! What tasks of a class have taken lately.
//!
//! A task is only ever *seen* to have ended, at a look; its end lies between the last look that found it running and
//! that one. Ages at which other tasks of the class were lately seen running narrow this down, and the history keeps the
//! middle. Where nothing narrows it down, it keeps a point well before the look, so that a history of lucky first looks
//! moves downwards until one of them finds a task still running.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::schedule::gap;
use crate::image::TaskClass;

/// Tasks remembered for each class: enough for the shape, few enough to follow a change within minutes.
const POINTS_MAX: usize = 64;
/// Classes remembered; one more empties the table (a catalog has far fewer).
const CLASSES_MAX: usize = 512;
/// One task in so many looks early, to notice that tasks have become faster than the history believes.
const PROBE_EVERY: u32 = 8;

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
    /// When each task was last seen running, and its point; oldest first.
    recent: VecDeque<(Duration, Duration)>,
    sorted: Vec<Duration>,
    tasks: u32,
}

impl History {
    /// Durations learned, shortest first.
    pub(super) fn points(&self) -> &[Duration] {
        &self.sorted
    }

    /// Counts a task in; true when its first look should be a probe.
    pub(super) fn admit(&mut self) -> bool {
        self.tasks = self.tasks.wrapping_add(1);
        self.tasks.is_multiple_of(PROBE_EVERY)
    }

    /// A task was running at age `after` (zero: never seen running) and ended at age `by`.
    pub(super) fn learn(&mut self, after: Duration, by: Duration) {
        let others = self.recent.iter().map(|(running, _)| *running).filter(|running| *running < by);
        let open = by - others.max().unwrap_or_default().max(after).min(by);
        let point = by - if open <= 2 * gap(by) { open / 2 } else { (gap(by) / 2).max(open / 4) };
        if self.recent.len() >= POINTS_MAX {
            self.forget_oldest();
        }
        self.recent.push_back((after, point));
        let place = self.sorted.partition_point(|other| *other < point);
        self.sorted.insert(place, point);
    }

    /// A probe found its task done: tasks are faster than believed, so what is believed goes.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.sorted.clear();
    }

    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.recent.pop_front() else { return };
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
    fn a_tight_gap_is_learned_by_its_middle() {
        let mut history = History::default();
        history.learn(seconds(9.9), seconds(10.1));
        assert_eq!(history.points(), [seconds(10.0)]);
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
        history.learn(seconds(9.8), seconds(10.3));
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
