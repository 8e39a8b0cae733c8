mod pace;
mod properties;

use std::collections::BTreeSet;

use super::*;

const FAILED: Report = Report::Failed { retry_after: None };
const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> Breaker {
    Breaker::with_random(StdRng::seed_from_u64(7))
}

#[track_caller]
fn permit(breaker: &Breaker, now: Instant) -> Permit {
    match breaker.admit(now) {
        Admission::Admitted(permit) => permit,
        Admission::Refused(refused) => panic!("{refused:?}"),
    }
}

#[track_caller]
fn refused(breaker: &Breaker, now: Instant) -> Refused {
    match breaker.admit(now) {
        Admission::Refused(refused) => refused,
        Admission::Admitted(permit) => panic!("{permit:?}"),
    }
}

fn tell(breaker: &Breaker, report: Report, now: Instant) {
    permit(breaker, now).report(report, now);
}

fn opened(now: Instant) -> Breaker {
    let breaker = breaker();
    for _ in 0..FAILURES_TO_OPEN {
        tell(&breaker, FAILED, now);
    }
    assert_eq!(breaker.snapshot(now).state, BreakerState::Open);
    breaker
}

/// The moment at which an open breaker lets a probe through.
fn half_open(breaker: &Breaker, now: Instant) -> Instant {
    breaker.snapshot(now).open_until.unwrap()
}

/// Just closed by its probe.
fn closed_again(now: Instant) -> (Breaker, Instant) {
    let breaker = opened(now);
    let now = half_open(&breaker, now);
    tell(&breaker, Report::Answered, now);
    (breaker, now)
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_nothing_is_sent() {
    let (breaker, now) = (breaker(), Instant::now());
    for failures in 1..FAILURES_TO_OPEN {
        tell(&breaker, FAILED, now);
        let seen = breaker.snapshot(now);
        assert_eq!((seen.state, seen.consecutive_failures), (BreakerState::Closed, failures));
    }
    tell(&breaker, FAILED, now);
    let refused = refused(&breaker, now);
    assert_eq!(refused.reason, Reason::Open);
    let seen = breaker.snapshot(now);
    assert_eq!((seen.state.name(), seen.consecutive_failures), ("open", FAILURES_TO_OPEN));
    assert_eq!(seen.open_until, Some(now + refused.retry_after));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_begins_the_count_anew() {
    let (breaker, now) = (breaker(), Instant::now());
    for _ in 0..10 {
        for _ in 1..FAILURES_TO_OPEN {
            tell(&breaker, FAILED, now);
        }
        tell(&breaker, Report::Answered, now);
    }
    assert_eq!(breaker.snapshot(now).state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn neither_429_nor_a_caller_that_left_is_a_failure() {
    let (breaker, mut now) = (breaker(), Instant::now());
    for _ in 0..4 * FAILURES_TO_OPEN {
        tell(&breaker, Report::Busy { retry_after: Some(SECOND) }, now);
        now += SECOND;
        drop(permit(&breaker, now));
    }
    let seen = breaker.snapshot(now);
    assert_eq!((seen.state, seen.consecutive_failures), (BreakerState::Closed, 0));
}

#[test]
fn only_trouble_on_the_way_and_5xx_are_failures() {
    let refusal =
        |refusal| CallError::Refused { refusal, status: 400, code: String::new(), message: String::new() };
    let down = CallError::Down { status: 503, code: String::new(), retry_after: Some(SECOND) };
    let table = [
        (CallError::Connect(String::new()), FAILED),
        (CallError::Broken(String::new()), FAILED),
        (CallError::Timeout, FAILED),
        (CallError::Malformed { status: 200, detail: String::new() }, FAILED),
        (down, Report::Failed { retry_after: Some(SECOND) }),
        (CallError::Busy { retry_after: None }, Report::Busy { retry_after: None }),
        (CallError::Open, Report::Answered),
        (refusal(super::super::Refusal::BadRequest), Report::Answered),
        (refusal(super::super::Refusal::Moderation), Report::Answered),
        (refusal(super::super::Refusal::Account), Report::Answered),
        (CallError::Missing, Report::Answered),
    ];
    for (error, expected) in table {
        assert_eq!(Report::of(&Err(error.clone())), expected, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_probe_goes_through_and_its_answer_closes_it() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = half_open(&breaker, start);
    assert_eq!(refused(&breaker, now - Duration::from_millis(1)).reason, Reason::Open);
    assert_eq!(breaker.snapshot(now).state.name(), "half_open");
    let probe = permit(&breaker, now);
    assert!(probe.is_probe());
    for _ in 0..10 {
        assert_eq!(refused(&breaker, now).reason, Reason::Probing);
    }
    assert_eq!(breaker.snapshot(now).state, BreakerState::HalfOpen);
    probe.report(Report::Answered, now);
    let seen = breaker.snapshot(now);
    assert_eq!((seen.state.name(), seen.consecutive_failures), ("closed", 0));
    assert!(!permit(&breaker, now).is_probe());
}

#[tokio::test(start_paused = true)]
async fn failing_probes_open_it_for_longer_and_longer_up_to_a_minute() {
    let mut now = Instant::now();
    let breaker = opened(now);
    let mut pauses = Vec::new();
    for _ in 0..40 {
        let until = half_open(&breaker, now);
        pauses.push((until - now).as_secs_f64());
        now = until;
        tell(&breaker, FAILED, now);
    }
    let expected = [2.0, 4.0, 8.0, 16.0, 32.0].into_iter().chain(std::iter::repeat(60.0));
    for (pause, longest) in pauses.iter().zip(expected) {
        assert!((0.75 * longest..=longest).contains(pause), "{pauses:?}");
    }
    let different: BTreeSet<_> = pauses.iter().map(|pause| pause.to_bits()).collect();
    assert_eq!(different.len(), pauses.len(), "each has its jitter");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_a_5xx_asks_for_is_kept_within_the_bound() {
    for (asked, kept) in [(20, 20), (3600, 60)] {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..FAILURES_TO_OPEN {
            tell(&breaker, Report::Failed { retry_after: Some(asked * SECOND) }, now);
        }
        assert_eq!(half_open(&breaker, now) - now, kept * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_vanishes_leaves_its_place() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = half_open(&breaker, start);
    drop(permit(&breaker, now));
    assert!(permit(&breaker, now).is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_never_heard_of_again_is_replaced_and_can_say_no_more() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = half_open(&breaker, start);
    let lost = permit(&breaker, now);
    assert_eq!(refused(&breaker, now + 29 * SECOND).reason, Reason::Probing);
    let now = now + 30 * SECOND;
    let second = permit(&breaker, now);
    lost.report(FAILED, now);
    assert_eq!(breaker.snapshot(now).state, BreakerState::HalfOpen);
    second.report(Report::Answered, now);
    assert_eq!(breaker.snapshot(now).state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_answered_with_429_is_tried_again_after_the_pause() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = half_open(&breaker, start);
    tell(&breaker, Report::Busy { retry_after: Some(7 * SECOND) }, now);
    assert_eq!(refused(&breaker, now + 6 * SECOND).reason, Reason::Paused);
    assert_eq!(breaker.snapshot(now).state, BreakerState::HalfOpen);
    assert!(permit(&breaker, now + 7 * SECOND).is_probe());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_it_opened_changes_nothing_after() {
    let now = Instant::now();
    let breaker = breaker();
    let mut early: Vec<_> = (0..30).map(|_| permit(&breaker, now)).collect();
    for _ in 0..FAILURES_TO_OPEN {
        early.pop().unwrap().report(FAILED, now);
    }
    let until = half_open(&breaker, now);
    early.pop().unwrap().report(Report::Answered, now);
    early.pop().unwrap().report(FAILED, now);
    assert_eq!(half_open(&breaker, now), until);
    let probe = permit(&breaker, until);
    drop(early.pop());
    early.pop().unwrap().report(FAILED, until);
    assert_eq!(refused(&breaker, until).reason, Reason::Probing);
    probe.report(Report::Answered, until);
    for late in early {
        late.report(FAILED, until);
    }
    assert_eq!(breaker.snapshot(until).state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn creates_come_back_step_by_step_once_it_has_closed() {
    let (breaker, now) = closed_again(Instant::now());
    let mut rounds = Vec::new();
    while breaker.snapshot(now).ramp_limit.is_some() {
        let mut out = Vec::new();
        // a hundred wait
        while let Admission::Admitted(permit) = breaker.admit(now)
            && out.len() < 100
        {
            out.push(permit);
        }
        assert_eq!(refused(&breaker, now).reason, Reason::RampingUp);
        rounds.push(out.len());
        for permit in out {
            permit.report(Report::Answered, now);
        }
    }
    assert_eq!(rounds, [2, 4, 8, 16], "then without a limit");
    let all: Vec<_> = (0..100).map(|_| permit(&breaker, now)).collect();
    assert_eq!(all.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_failure_on_the_way_back_begins_it_anew_and_failures_in_a_row_open_it_for_longer() {
    let (breaker, now) = closed_again(Instant::now());
    for _ in 0..10 {
        tell(&breaker, Report::Answered, now);
    }
    assert_eq!(breaker.snapshot(now).ramp_limit, Some(12));
    for _ in 1..FAILURES_TO_OPEN {
        tell(&breaker, FAILED, now);
        assert_eq!(breaker.snapshot(now).ramp_limit, Some(2));
    }
    tell(&breaker, FAILED, now);
    assert!(half_open(&breaker, now) - now >= 3 * SECOND, "the second pause");
}

#[tokio::test(start_paused = true)]
async fn places_of_callers_that_left_are_free_and_the_way_back_ends_in_a_minute() {
    let (breaker, now) = closed_again(Instant::now());
    for _ in 0..10 {
        drop(permit(&breaker, now));
    }
    let _stuck = [permit(&breaker, now), permit(&breaker, now)];
    assert_eq!(refused(&breaker, now + 59 * SECOND).reason, Reason::RampingUp);
    let later: Vec<_> = (0..100).map(|_| permit(&breaker, now + 60 * SECOND)).collect();
    assert_eq!(later.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn once_it_is_trusted_again_the_next_opening_is_short() {
    let mut now = Instant::now();
    let breaker = opened(now);
    for _ in 0..10 {
        now = half_open(&breaker, now);
        tell(&breaker, FAILED, now);
    }
    now = half_open(&breaker, now);
    for _ in 0..40 {
        tell(&breaker, Report::Answered, now);
    }
    for _ in 0..FAILURES_TO_OPEN {
        tell(&breaker, FAILED, now);
    }
    assert!(half_open(&breaker, now) - now <= 2 * SECOND);
}
