//! The breaker's states and what moves it from one to another. Pure: time comes in as an argument.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use super::{BreakerSnapshot, BreakerState, Reason, Refused, Report};

/// So many failures in a row open the breaker: more than a few connections cut at once by a restart upstream.
pub const FAILURES_TO_OPEN: u32 = 5;
/// The first pause of an open breaker; doubles with each opening until Evolink is trusted again.
const OPEN_FIRST: Duration = Duration::from_secs(2);
const OPEN_MAX: Duration = Duration::from_mins(1);
/// A probe of which nothing was heard for so long is given up: longer than any try of a create lasts.
const PROBE_MAX: Duration = Duration::from_secs(30);
/// When to ask again, about, while a probe is out.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// Creates that may be out at once just after closing. Each answer adds one, so each round doubles them.
const RAMP_FIRST: u32 = 2;
/// With so many out at once Evolink is trusted again.
const RAMP_FULL: u32 = 32;
/// And after so long, whatever came of it.
const RAMP_MAX: Duration = Duration::from_mins(1);
/// When to ask again, about, while no more may be out.
const RAMP_WAIT: Duration = Duration::from_millis(250);

/// Bounds of the pause that a 429 asks for; also the first pause of one that asks for none, which doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// Those who were refused during a pause come back within so long after it.
const PAUSE_SPREAD: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum State {
    Closed { ramp: Option<Ramp> },
    Open { until: Instant },
    HalfOpen { probe_since: Option<Instant> },
}

/// The way back to full trust.
#[derive(Debug)]
struct Ramp {
    began: Instant,
    limit: u32,
    out: u32,
}

/// What a permit remembers of the moment of its admission.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// Reports from before the last change of state say nothing about the state since.
    epoch: u64,
    /// How many pauses there had been: a burst of 429s is one wish for a pause, not many.
    pauses: u64,
    pub(super) probe: bool,
}

#[derive(Debug)]
pub(super) struct Machine {
    state: State,
    /// Counts changes of state, and probes.
    epoch: u64,
    consecutive_failures: u32,
    /// Since Evolink was last trusted fully.
    openings: u32,
    paused_until: Option<Instant>,
    pauses: u64,
    /// Pauses in a row for which Evolink named no time.
    unnamed_pauses: u32,
    random: StdRng,
}

impl Machine {
    pub(super) const fn new(random: StdRng) -> Self {
        Self {
            state: State::Closed { ramp: None },
            epoch: 0,
            consecutive_failures: 0,
            openings: 0,
            paused_until: None,
            pauses: 0,
            unnamed_pauses: 0,
            random,
        }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Refused> {
        if let Some(left) = left(self.paused_until, now) {
            let spread = PAUSE_SPREAD.mul_f64(self.random.random_range(0.0..1.0));
            return Err(Refused { retry_after: left + spread, reason: Reason::Paused });
        }
        match &mut self.state {
            State::Open { until } => {
                if let Some(retry_after) = left(Some(*until), now) {
                    return Err(Refused { retry_after, reason: Reason::Open });
                }
                Ok(self.probe(now))
            }
            State::HalfOpen { probe_since: Some(since) }
                if now.saturating_duration_since(*since) < PROBE_MAX =>
            {
                Err(self.soon(PROBE_WAIT, Reason::Probing))
            }
            State::HalfOpen { .. } => Ok(self.probe(now)),
            State::Closed { ramp } => {
                if ramp.as_ref().is_some_and(|ramp| now.saturating_duration_since(ramp.began) >= RAMP_MAX) {
                    *ramp = None;
                    self.openings = 0;
                }
                match ramp {
                    Some(ramp) if ramp.out >= ramp.limit => Err(self.soon(RAMP_WAIT, Reason::RampingUp)),
                    Some(ramp) => {
                        ramp.out += 1;
                        Ok(self.ticket(false))
                    }
                    None => Ok(self.ticket(false)),
                }
            }
        }
    }

    pub(super) fn report(&mut self, ticket: Ticket, report: Report, now: Instant) {
        self.keep_pace(ticket, report, now);
        if ticket.epoch != self.epoch {
            return;
        }
        match (&mut self.state, report) {
            (State::Closed { ramp }, report) => {
                if let Some(ramp) = ramp {
                    ramp.out = ramp.out.saturating_sub(1);
                }
                match report {
                    Report::Answered => self.answered(),
                    Report::Failed { retry_after } => self.failed(retry_after, now),
                    Report::Busy { .. } | Report::Unknown => {}
                }
            }
            (State::HalfOpen { .. }, Report::Answered) => self.close(now),
            (State::HalfOpen { .. }, Report::Failed { retry_after }) => {
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
                self.open(retry_after, now);
            }
            // neither up nor down: the next create is a probe again, after the pause if one was asked for
            (State::HalfOpen { probe_since }, Report::Busy { .. } | Report::Unknown) => *probe_since = None,
            // a change to this state has made all tickets old
            (State::Open { .. }, _) => {}
        }
    }

    /// A permit whose caller never told how its create went.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        if ticket.epoch != self.epoch {
            return;
        }
        match &mut self.state {
            State::Closed { ramp: Some(ramp) } => ramp.out = ramp.out.saturating_sub(1),
            State::HalfOpen { probe_since } => *probe_since = None,
            State::Closed { ramp: None } | State::Open { .. } => {}
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> BreakerSnapshot {
        let coming = |until: Option<Instant>| until.filter(|until| *until > now);
        let open_until = match self.state {
            State::Open { until } => coming(Some(until)),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        };
        let (state, ramp_limit) = match &self.state {
            State::Closed { ramp } => (BreakerState::Closed, ramp.as_ref().map(|ramp| ramp.limit)),
            State::Open { .. } if open_until.is_some() => (BreakerState::Open, None),
            State::Open { .. } | State::HalfOpen { .. } => (BreakerState::HalfOpen, None),
        };
        BreakerSnapshot {
            state,
            open_until,
            paused_until: coming(self.paused_until),
            consecutive_failures: self.consecutive_failures,
            ramp_limit,
        }
    }

    /// A 429 holds back all creates, whatever the breaker's state, and however old the permit.
    fn keep_pace(&mut self, ticket: Ticket, report: Report, now: Instant) {
        let first_of_its_burst = ticket.pauses == self.pauses;
        let pause = match report {
            Report::Busy { retry_after: Some(asked) } => asked.clamp(PAUSE_MIN, PAUSE_MAX),
            Report::Busy { retry_after: None } if first_of_its_burst => {
                self.unnamed_pauses = self.unnamed_pauses.saturating_add(1);
                doubled(PAUSE_MIN, self.unnamed_pauses - 1, PAUSE_MAX)
            }
            Report::Answered if first_of_its_burst => {
                self.unnamed_pauses = 0;
                return;
            }
            _ => return,
        };
        let until = now + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |other| other.max(until)));
        if first_of_its_burst {
            self.pauses += 1;
            tracing::warn!(pause_ms = pause.as_millis(), "evolink asks for fewer creates: all are paused");
        }
    }

    /// An answer while closed.
    fn answered(&mut self) {
        self.consecutive_failures = 0;
        if let State::Closed { ramp: ramp @ Some(_) } = &mut self.state
            && let Some(limit) = ramp.as_mut().map(|ramp| &mut ramp.limit)
        {
            *limit += 1;
            if *limit >= RAMP_FULL {
                *ramp = None;
                self.openings = 0;
            }
        }
    }

    /// A failure while closed.
    fn failed(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if self.consecutive_failures >= FAILURES_TO_OPEN {
            self.open(retry_after, now);
        } else if let State::Closed { ramp: Some(ramp) } = &mut self.state {
            ramp.limit = RAMP_FIRST;
        }
    }

    fn open(&mut self, retry_after: Option<Duration>, now: Instant) {
        // never longer than the bound, never all gateways at once
        let pause = doubled(OPEN_FIRST, self.openings, OPEN_MAX).mul_f64(self.random.random_range(0.75..1.0));
        let pause = pause.max(retry_after.unwrap_or_default()).min(OPEN_MAX);
        self.openings = self.openings.saturating_add(1);
        self.epoch += 1;
        self.state = State::Open { until: now + pause };
        let failures = self.consecutive_failures;
        let pause_ms = pause.as_millis();
        tracing::warn!(failures, pause_ms, "creates fail at evolink: none is sent until one may try again");
    }

    fn close(&mut self, now: Instant) {
        self.consecutive_failures = 0;
        self.epoch += 1;
        self.state = State::Closed { ramp: Some(Ramp { began: now, limit: RAMP_FIRST, out: 0 }) };
        tracing::info!("evolink answers creates again");
    }

    fn probe(&mut self, now: Instant) -> Ticket {
        self.epoch += 1;
        self.state = State::HalfOpen { probe_since: Some(now) };
        self.ticket(true)
    }

    const fn ticket(&self, probe: bool) -> Ticket {
        Ticket { epoch: self.epoch, pauses: self.pauses, probe }
    }

    fn soon(&mut self, about: Duration, reason: Reason) -> Refused {
        Refused { retry_after: about.mul_f64(self.random.random_range(0.5..1.5)), reason }
    }
}

/// The time left until then; `None` when it has come.
fn left(until: Option<Instant>, now: Instant) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(most)
}
