//! Where a generation stands: in the line, or running.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Queue;
use crate::quota::CallerLimits;
use crate::quota::fair::Ticket;
use crate::telemetry::{GaugeGuard, Metrics};

/// Shared by a generation's images: queued until the first of them has a place, then running. In the gauges until it is
/// dropped.
pub(in crate::generation) struct Standing<'a> {
    metrics: &'a Metrics,
    pub(super) limits: CallerLimits,
    pub(super) line: &'a Line,
    state: Mutex<State>,
}

struct State {
    running: bool,
    _gauge: GaugeGuard,
}

impl<'a> Standing<'a> {
    /// `line`: the generation's own.
    pub(in crate::generation) fn queued(metrics: &'a Metrics, limits: CallerLimits, line: &'a Line) -> Self {
        Self { metrics, limits, line, state: Mutex::new(State { running: false, _gauge: metrics.queued() }) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state().running
    }

    pub(super) fn run(&self) {
        let mut state = self.state();
        if !state.running {
            *state = State { running: true, _gauge: self.metrics.running() };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A generation's place in the line, for those who ask.
#[derive(Debug, Default)]
pub(in crate::generation) struct Line(Mutex<Option<Place>>);

#[derive(Debug)]
struct Place {
    queue: Queue,
    team: Arc<str>,
    ticket: Ticket,
}

impl Line {
    /// How many images come before its first, all teams' together.
    pub(in crate::generation) fn ahead(&self) -> Option<usize> {
        let place = self.place();
        let Place { queue, team, ticket } = place.as_ref()?;
        queue.ahead(team, *ticket)
    }

    pub(super) fn stand(&self, queue: &Queue, team: &Arc<str>, ticket: Ticket) {
        let place = Place { queue: queue.clone(), team: Arc::clone(team), ticket };
        self.place().get_or_insert(place);
    }

    pub(super) fn leave(&self, ticket: Ticket) {
        self.place().take_if(|place| place.ticket == ticket);
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
