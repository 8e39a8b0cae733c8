//! Where a generation stands: in the line, or running.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Queue;
use super::refusal::Forecast;
use super::state::Who;
use crate::fault::Fault;
use crate::quota::fair::Ticket;
use crate::quota::{Account, CallerLimits};
use crate::telemetry::{GaugeGuard, Metrics};

/// Shared by a generation's images: queued until the first of them has a place, then running. In the gauges until it is
/// dropped.
pub(in crate::generation) struct Standing<'a> {
    metrics: &'a Metrics,
    pub(super) who: Who,
    pub(super) line: &'a Line,
    state: Mutex<State>,
}

struct State {
    running: bool,
    _gauge: GaugeGuard,
}

impl<'a> Standing<'a> {
    /// `line`: the generation's own.
    pub(in crate::generation) fn queued(metrics: &'a Metrics, limits: &CallerLimits, line: &'a Line) -> Self {
        let who = Who::from(limits);
        let state = State { running: false, _gauge: metrics.queued(who.team.team()) };
        Self { metrics, who, line, state: Mutex::new(state) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state().running
    }

    pub(super) fn run(&self) {
        let mut state = self.state();
        if !state.running {
            *state = State { running: true, _gauge: self.metrics.running(self.who.team.team()) };
        }
    }

    /// The answer when there is no place, counted where it is a limit of the caller's own.
    pub(super) fn refused(&self, forecast: &Forecast, queue_timeout: Duration) -> Fault {
        if forecast.own.is_some() {
            self.metrics.quota_rejection(self.who.team.team(), "concurrent_images");
        }
        forecast.refusal(queue_timeout)
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
    team: Account,
    ticket: Ticket,
}

impl Line {
    /// How many images come before its first, all teams' together.
    pub(in crate::generation) fn ahead(&self) -> Option<usize> {
        let place = self.place();
        let Place { queue, team, ticket } = place.as_ref()?;
        queue.ahead(team, *ticket)
    }

    pub(super) fn stand(&self, queue: &Queue, team: &Account, ticket: Ticket) {
        let place = Place { queue: queue.clone(), team: team.clone(), ticket };
        self.place().get_or_insert(place);
    }

    pub(super) fn leave(&self, ticket: Ticket) {
        self.place().take_if(|place| place.ticket == ticket);
    }

    fn place(&self) -> MutexGuard<'_, Option<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
