//! Who gets a place, and when.

use super::*;
use crate::quota::Limits;
use crate::telemetry::Metrics;

const MINUTE: Duration = Duration::from_mins(1);

fn limits(team: &str, concurrent_images: Option<u32>, weight: u32) -> CallerLimits {
    let team: Arc<str> = team.into();
    let of_key = Limits::none(Account::Key { team: Arc::clone(&team), name: "ci".into() });
    let of_team = Limits { concurrent_images, ..Limits::none(Account::Team(team)) };
    CallerLimits { key: of_key.into(), team: of_team.into(), weight }
}

/// What a generation's images share.
struct Of {
    metrics: Metrics,
    line: Line,
    limits: CallerLimits,
}

impl Of {
    fn team(limits: CallerLimits) -> Self {
        Self { metrics: Metrics::new(), line: Line::default(), limits }
    }

    fn standing(&self) -> Standing<'_> {
        Standing::queued(&self.metrics, self.limits.clone(), &self.line)
    }

    fn gauges(&self) -> [bool; 2] {
        let text = self.metrics.render();
        ["queued", "running"].map(|name| text.contains(&format!("evolink_gateway_{name}_generations 1")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_does_not_come_in_time_is_a_429() {
    let (queue, team) = (Queue::new(1, MINUTE), Of::team(limits("a", None, 1)));
    let _held = queue.take(&team.standing()).await.unwrap();
    let began = Instant::now();
    let refused = queue.take(&team.standing()).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (429, "concurrency_limit_exceeded"));
    assert_eq!(began.elapsed(), MINUTE);
    assert!(queue.state().line.is_empty(), "who left the line is in it no longer");
}

#[tokio::test(start_paused = true)]
async fn a_generation_under_way_waits_for_its_other_images() {
    let (queue, team) = (Queue::new(1, MINUTE), Of::team(limits("a", None, 1)));
    let standing = team.standing();
    let first = queue.take(&standing).await.unwrap();
    let second = queue.take(&standing);
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_hours(1), &mut second).await.is_err());
    drop(first);
    assert!(second.await.is_ok());
}

#[tokio::test]
async fn a_generation_is_queued_until_its_first_place_and_running_from_then_on() {
    let (queue, team) = (Queue::new(2, MINUTE), Of::team(limits("a", None, 1)));
    let standing = team.standing();
    assert_eq!(team.gauges(), [true, false]);
    let _first = queue.take(&standing).await.unwrap();
    let _second = queue.take(&standing).await.unwrap();
    assert_eq!(team.gauges(), [false, true]);
    drop(standing);
    assert_eq!(team.gauges(), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn one_of_a_calm_team_does_not_wait_behind_all_of_a_busy_one() {
    let queue = Queue::new(1, MINUTE);
    let (busy, calm) = (Of::team(limits("busy", None, 1)), Of::team(limits("calm", None, 1)));
    let held = queue.take(&busy.standing()).await.unwrap();
    let standings: Vec<_> = (0..100).map(|_| busy.standing()).collect();
    let mut waiting: Vec<_> = standings.iter().map(|standing| Box::pin(queue.take(standing))).collect();
    for place in &mut waiting {
        assert!(futures_util::poll!(place).is_pending());
    }
    let standing = calm.standing();
    let mut place = Box::pin(queue.take(&standing));
    assert!(futures_util::poll!(&mut place).is_pending());
    assert_eq!((calm.line.ahead(), busy.line.ahead()), (Some(0), Some(1)));
    drop(held);
    assert!(futures_util::poll!(&mut waiting[0]).is_pending());
    let served = place.await.unwrap();
    drop(served);
    assert!(futures_util::poll!(&mut waiting[0]).is_ready(), "and then the busy one goes on");
}

#[tokio::test(start_paused = true)]
async fn a_team_has_no_more_places_than_its_own_limit_and_leaves_the_others_to_the_rest() {
    let queue = Queue::new(4, MINUTE);
    let (narrow, wide) = (Of::team(limits("narrow", Some(1), 1)), Of::team(limits("wide", None, 1)));
    let (one, two, three) = (narrow.standing(), narrow.standing(), wide.standing());
    let first = queue.take(&one).await.unwrap();
    assert!(queue.take_free(&two).is_none());
    let second = queue.take(&two);
    tokio::pin!(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    let _third = queue.take(&three).await.unwrap();
    drop(first);
    assert!(second.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_runs_already_takes_a_place_though_there_is_none() {
    let (queue, team) = (Queue::new(1, MINUTE), Of::team(limits("a", None, 1)));
    let (one, two) = (team.standing(), team.standing());
    let over = [queue.take_over(&one), queue.take_over(&one)];
    let next = queue.take(&two);
    tokio::pin!(next);
    let [first, second] = over;
    drop(first);
    assert!(futures_util::poll!(&mut next).is_pending(), "one still runs");
    drop(second);
    assert!(next.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_told_at_once() {
    let (queue, team) = (Queue::new(1, MINUTE), Of::team(limits("a", None, 1)));
    let slot = queue.take(&team.standing()).await.unwrap();
    tokio::time::advance(Duration::from_secs(50)).await;
    drop(slot);
    let _held = queue.take(&team.standing()).await.unwrap();
    let standings = [team.standing(), team.standing()];
    let first = queue.take(&standings[0]);
    let second = queue.take(&standings[1]);
    tokio::pin!(first, second);
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    let began = Instant::now();
    let fault = queue.take(&team.standing()).await.unwrap_err();
    assert_eq!((began.elapsed(), fault.code()), (Duration::ZERO, "concurrency_limit_exceeded"));
    assert_eq!(fault.retry_after_seconds(), Some(40), "two turns of 50 s, less the minute that it may wait");
    assert_eq!(queue.state().line.len(), 2);
}
