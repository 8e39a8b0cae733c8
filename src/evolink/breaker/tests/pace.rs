//! Pauses that Evolink asks for.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_429_pauses_all_creates_for_as_long_as_it_asks_within_bounds() {
    for (asked, kept) in [(0, 1), (1, 1), (17, 17), (60, 60), (100_000, 60)] {
        let (breaker, now) = (breaker(), Instant::now());
        tell(&breaker, Report::Busy { retry_after: Some(asked * SECOND) }, now);
        let until = now + kept * SECOND;
        assert_eq!(breaker.snapshot(now).paused_until, Some(until));
        let refused = refused(&breaker, now);
        assert_eq!(refused.reason, Reason::Paused);
        assert!((kept * SECOND..=(kept + 1) * SECOND).contains(&refused.retry_after), "{refused:?}");
        drop(permit(&breaker, until));
        assert_eq!(breaker.snapshot(until).paused_until, None);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_were_paused_come_back_at_different_times() {
    let (breaker, now) = (breaker(), Instant::now());
    tell(&breaker, Report::Busy { retry_after: Some(5 * SECOND) }, now);
    let times: BTreeSet<_> = (0..100).map(|_| refused(&breaker, now).retry_after).collect();
    assert!(times.len() > 90, "{}", times.len());
}

#[tokio::test(start_paused = true)]
async fn without_a_retry_after_the_pauses_grow_once_for_each_burst() {
    let busy = Report::Busy { retry_after: None };
    let (breaker, mut now) = (breaker(), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let burst: Vec<_> = (0..20).map(|_| permit(&breaker, now)).collect();
        for permit in burst {
            permit.report(busy, now);
        }
        let until = breaker.snapshot(now).paused_until.unwrap();
        pauses.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    tell(&breaker, Report::Answered, now);
    tell(&breaker, busy, now);
    assert_eq!(breaker.snapshot(now).paused_until, Some(now + SECOND), "an answer begins it anew");
}

#[tokio::test(start_paused = true)]
async fn a_late_429_makes_a_pause_longer_and_never_shorter() {
    let (breaker, now) = (breaker(), Instant::now());
    let [first, second, third] = [(); 3].map(|()| permit(&breaker, now));
    first.report(Report::Busy { retry_after: Some(10 * SECOND) }, now);
    second.report(Report::Busy { retry_after: Some(30 * SECOND) }, now);
    third.report(Report::Busy { retry_after: Some(2 * SECOND) }, now);
    assert_eq!(breaker.snapshot(now).paused_until, Some(now + 30 * SECOND));
}
