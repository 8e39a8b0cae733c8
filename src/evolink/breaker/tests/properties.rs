//! What holds whatever its callers do, tried on many sequences.

use proptest::prelude::*;

use super::*;

/// As `machine` has them.
const PROBE_MAX: Duration = Duration::from_secs(30);
const REFUSED_MAX: Duration = Duration::from_secs(61);
/// The longest pause, the longest opening, a lost probe, the way back.
const CLOSED_TO_ALL_MAX: Duration = Duration::from_mins(4);

#[derive(Debug, Clone)]
enum Step {
    Admit,
    /// The n-th of those that are out.
    Tell(usize, Report),
    Drop(usize),
    /// Its caller hangs for ever.
    Forget(usize),
    Wait(Duration),
    /// Just until the breaker said.
    WaitAsTold,
}

fn report() -> impl Strategy<Value = Report> {
    let asked = || proptest::option::of((0..100_u64).prop_map(Duration::from_secs));
    prop_oneof![
        2 => Just(Report::Answered),
        4 => asked().prop_map(|retry_after| Report::Failed { retry_after }),
        1 => asked().prop_map(|retry_after| Report::Busy { retry_after }),
        1 => Just(Report::Unknown),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Admit),
        6 => (any::<usize>(), report()).prop_map(|(which, report)| Step::Tell(which, report)),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => any::<usize>().prop_map(Step::Forget),
        2 => (0..40_000_u64).prop_map(|wait| Step::Wait(Duration::from_millis(wait))),
        3 => Just(Step::WaitAsTold),
    ]
}

/// The breaker, its callers and the time.
struct World {
    breaker: Breaker,
    now: Instant,
    told: Duration,
    out: Vec<(Permit, Instant)>,
    /// Probes that hang, by the time they were sent.
    lost: Vec<Instant>,
}

impl World {
    fn new(seed: u64) -> Self {
        let breaker = Breaker::with_random(StdRng::seed_from_u64(seed));
        Self { breaker, now: Instant::now(), told: Duration::ZERO, out: Vec::new(), lost: Vec::new() }
    }

    /// Those that the breaker may still hear of.
    fn probes(&self) -> usize {
        let out = self.out.iter().filter(|(permit, _)| permit.is_probe()).map(|(_, since)| since);
        out.chain(&self.lost).filter(|since| self.now - **since < PROBE_MAX).count()
    }

    fn admit(&mut self) -> Result<(), TestCaseError> {
        let state = self.breaker.snapshot(self.now).state;
        match self.breaker.admit(self.now) {
            Admission::Admitted(permit) => {
                prop_assert!(state != BreakerState::Open);
                prop_assert_eq!(permit.is_probe(), state == BreakerState::HalfOpen);
                self.out.push((permit, self.now));
            }
            Admission::Refused(refused) => {
                prop_assert!(refused.retry_after > Duration::ZERO && refused.retry_after <= REFUSED_MAX);
                self.told = refused.retry_after;
            }
        }
        Ok(())
    }

    fn take(&mut self, which: usize) -> Option<(Permit, Instant)> {
        let at = which.checked_rem(self.out.len())?;
        Some(self.out.swap_remove(at))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Admit => self.admit()?,
            Step::Tell(which, report) => {
                if let Some((permit, _)) = self.take(*which) {
                    permit.report(*report, self.now);
                }
            }
            Step::Drop(which) => drop(self.take(*which)),
            Step::Forget(which) => {
                if let Some((permit, since)) = self.take(*which) {
                    self.lost.extend(permit.is_probe().then_some(since));
                    std::mem::forget(permit);
                }
            }
            Step::Wait(wait) => self.now += *wait,
            Step::WaitAsTold => self.now += self.told,
        }
        Ok(())
    }

    /// All who are out hang; one caller comes back whenever it is told to, until it is let through.
    fn let_through(&mut self) -> Result<Permit, TestCaseError> {
        self.out.drain(..).for_each(|(permit, _)| std::mem::forget(permit));
        let from = self.now;
        loop {
            match self.breaker.admit(self.now) {
                Admission::Admitted(permit) => return Ok(permit),
                Admission::Refused(refused) => self.now += refused.retry_after,
            }
            prop_assert!(self.now - from < CLOSED_TO_ALL_MAX, "{:?}", self.breaker);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn at_most_one_probe_is_out_and_nobody_is_shut_out_for_ever(
        seed: u64,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(seed);
        for step in &steps {
            world.step(step)?;
            prop_assert!(world.probes() <= 1, "after {:?}", step);
        }
        // from wherever that led: an upstream that answers is soon trusted fully
        for _ in 0..40 {
            world.let_through()?.report(Report::Answered, world.now);
        }
        let seen = world.breaker.snapshot(world.now);
        prop_assert_eq!((seen.state, seen.ramp_limit), (BreakerState::Closed, None));
        prop_assert_eq!((seen.paused_until, seen.consecutive_failures), (None, 0));
    }
}

#[test]
fn the_sequences_reach_every_state() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut half_open, mut ramped, mut replaced) = (0, 0, 0);
    for seed in 0..200 {
        let steps = prop::collection::vec(step(), 200).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(seed);
        for step in &steps {
            world.step(step).unwrap();
            let seen = world.breaker.snapshot(world.now);
            half_open += usize::from(seen.state == BreakerState::HalfOpen);
            ramped += usize::from(seen.ramp_limit.is_some());
        }
        replaced += world.lost.len();
    }
    assert!(half_open > 100 && ramped > 100 && replaced > 10, "{half_open} {ramped} {replaced}");
}
