//! Who gets a place, and when.

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::*;
use crate::quota::{Book, CallerLimits, Limits};
use crate::telemetry::Metrics;

mod forecast;

const MINUTE: Duration = Duration::from_mins(1);

/// A team's name, its `concurrent_images` and its weight.
type TeamOf = (&'static str, Option<u32>, u32);

/// Each team has a key `ci`; that of `narrow-key` may have one image at once.
fn book(teams: &[TeamOf]) -> Book {
    let account = |team: &str| Account::Team(team.into());
    let teams = teams.iter().map(|(team, concurrent_images, weight)| {
        (Limits { concurrent_images: *concurrent_images, ..Limits::none(account(team)) }, *weight)
    });
    let narrow = Account::Key { team: "a".into(), name: "narrow".into() };
    let narrow = Limits { concurrent_images: Some(1), ..Limits::none(narrow) };
    Book::new(teams.chain([(narrow, 1)]))
}

/// A queue, and what its generations share.
struct House {
    queue: Queue,
    quota: Arc<Quota>,
    metrics: Metrics,
}

impl House {
    fn new(max_tasks: usize, teams: &[TeamOf]) -> Self {
        let quota = Arc::new(Quota::new(book(teams), 68_000_000));
        Self { queue: Queue::new(max_tasks, MINUTE, Arc::clone(&quota)), quota, metrics: Metrics::new() }
    }

    fn of(&self, team: &str) -> One<'_> {
        self.of_key(team, "ci")
    }

    fn of_key(&self, team: &str, key: &str) -> One<'_> {
        One { house: self, limits: self.quota.limits(&team.into(), key), line: Line::default() }
    }

    fn running(&self) -> usize {
        self.queue.state().running
    }

    fn waiting(&self) -> usize {
        self.queue.state().line.len()
    }

    fn shows(&self, gauge: &str, team: &str, value: u32) -> bool {
        let line = format!("evolink_gateway_{gauge}_generations{{team=\"{team}\"}} {value}");
        self.metrics.render().lines().any(|written| written == line)
    }
}

/// What one generation's images share.
struct One<'a> {
    house: &'a House,
    limits: CallerLimits,
    line: Line,
}

impl One<'_> {
    fn standing(&self) -> Standing<'_> {
        Standing::queued(&self.house.metrics, &self.limits, &self.line)
    }

    async fn place(&self) -> Result<Slot, Fault> {
        self.house.queue.take(&self.standing()).await
    }

    fn free(&self) -> Option<Slot> {
        self.house.queue.take_free(&self.standing())
    }
}

type Coming<'a> = LocalBoxFuture<'a, Result<Slot, Fault>>;

/// All of them in the line.
fn lined_up<'a>(ones: &'a [One<'_>]) -> Vec<Coming<'a>> {
    let in_line = |one: &'a One<'_>| {
        let mut place = one.place().boxed_local();
        assert!((&mut place).now_or_never().is_none());
        place
    };
    ones.iter().map(in_line).collect()
}

/// The first that has its place now.
fn served(line: &mut Vec<Coming<'_>>) -> Option<Slot> {
    let (at, slot) = line.iter_mut().enumerate().find_map(|(at, place)| Some((at, place.now_or_never()?)))?;
    drop(line.remove(at));
    slot.ok()
}

#[tokio::test(start_paused = true)]
async fn a_place_that_does_not_come_in_time_is_a_429() {
    let house = House::new(1, &[("a", None, 1)]);
    let _held = house.of("a").place().await.unwrap();
    let began = Instant::now();
    let refused = house.of("a").place().await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (429, "concurrency_limit_exceeded"));
    assert_eq!((began.elapsed(), refused.retry_after_seconds()), (MINUTE, Some(1)));
    assert_eq!(house.waiting(), 0, "who left the line is in it no longer");
}

#[tokio::test(start_paused = true)]
async fn a_generation_under_way_waits_for_its_other_images() {
    let house = House::new(1, &[("a", None, 1)]);
    let one = house.of("a");
    let standing = one.standing();
    let first = house.queue.take(&standing).await.unwrap();
    let second = house.queue.take(&standing);
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_hours(1), &mut second).await.is_err());
    drop(first);
    assert!(second.await.is_ok());
}

#[tokio::test]
async fn a_generation_is_queued_until_its_first_place_and_running_from_then_on() {
    let house = House::new(2, &[("a", None, 1)]);
    let one = house.of("a");
    let standing = one.standing();
    assert!(house.shows("queued", "a", 1));
    let _first = house.queue.take(&standing).await.unwrap();
    let _second = house.queue.take(&standing).await.unwrap();
    assert!(house.shows("queued", "a", 0) && house.shows("running", "a", 1));
    drop(standing);
    assert!(house.shows("running", "a", 0));
}

#[tokio::test(start_paused = true)]
async fn the_one_request_of_a_calm_team_is_next_after_a_thousand_of_a_busy_one() {
    let house = House::new(4, &[("busy", None, 1), ("calm", None, 1)]);
    let mut held: Vec<_> = (0..4).map(|_| house.of("busy").free().unwrap()).collect();
    let thousand: Vec<_> = (0..1000).map(|_| house.of("busy")).collect();
    let mut busy = lined_up(&thousand);
    let calm = house.of("calm");
    let mut place = calm.place().boxed_local();
    assert!(futures_util::poll!(&mut place).is_pending());
    assert_eq!((calm.line.ahead(), thousand[0].line.ahead()), (Some(0), Some(1)));
    assert_eq!(thousand[999].line.ahead(), Some(1000));
    held.pop();
    assert!(futures_util::poll!(&mut busy[0]).is_pending());
    let served = place.await.unwrap();
    assert_eq!((calm.line.ahead(), house.waiting()), (None, 1000));
    drop(served);
    assert!(futures_util::poll!(&mut busy[0]).is_ready(), "and then the busy one goes on");
}

#[tokio::test(start_paused = true)]
async fn weights_of_three_to_one_give_shares_of_three_to_one_also_after_a_reload() {
    let house = House::new(1, &[("three", None, 3), ("one", None, 1)]);
    let ones = |team| (0..200).map(|_| house.of(team)).collect::<Vec<_>>();
    let held = house.of("one").free().unwrap();
    let (three, one) = (ones("three"), ones("one"));
    let (mut three, mut one) = (lined_up(&three), lined_up(&one));
    drop(held);
    // A place that is seen is freed, and so the next one comes.
    let mut of_three = |turns: usize| {
        let turn = |_| served(&mut three).map(|_| true).or_else(|| served(&mut one).map(|_| false)).unwrap();
        (0..turns).map(turn).filter(|is_three| *is_three).count()
    };
    let had = of_three(80);
    assert!((59..=61).contains(&had), "{had} of 80");
    house.quota.set_book(book(&[("three", None, 1), ("one", None, 1)]));
    house.queue.limits_changed();
    let had = of_three(40);
    assert!((19..=21).contains(&had), "{had} of 40");
}

#[tokio::test(start_paused = true)]
async fn a_team_has_no_more_places_than_its_own_limit_and_leaves_the_others_to_the_rest() {
    let house = House::new(4, &[("narrow", Some(1), 1), ("wide", None, 1)]);
    let first = house.of("narrow").free().unwrap();
    assert!(house.of("narrow").free().is_none());
    let others = [house.of("narrow")];
    let mut second = lined_up(&others);
    assert!(house.of("wide").free().is_some(), "who may not have it keeps nobody from a free place");
    let _third = house.of("wide").place().await.unwrap();
    assert!(served(&mut second).is_none());
    drop(first);
    assert!(served(&mut second).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_key_has_no_more_places_than_its_own_limit_and_leaves_the_others_to_its_team() {
    let house = House::new(4, &[("a", Some(2), 1)]);
    let first = house.of_key("a", "narrow").free().unwrap();
    let narrow = [house.of_key("a", "narrow")];
    let mut narrow = lined_up(&narrow);
    let _second = house.of("a").free().unwrap();
    assert!(house.of("a").free().is_none(), "the team has its two");
    drop(first);
    assert!(served(&mut narrow).is_some());
}

#[tokio::test(start_paused = true)]
async fn changed_limits_hold_for_those_who_wait_and_count_those_who_run() {
    let house = House::new(8, &[("a", Some(1), 1)]);
    let _first = house.of("a").free().unwrap();
    let others = [house.of("a"), house.of("a"), house.of("a")];
    let mut line = lined_up(&others);
    house.quota.set_book(book(&[("a", Some(3), 1)]));
    house.queue.limits_changed();
    let two = [served(&mut line).unwrap(), served(&mut line).unwrap()];
    assert!(served(&mut line).is_none(), "one runs already");
    house.quota.set_book(book(&[("a", Some(2), 1)]));
    let [one, other] = two;
    drop(one);
    assert!(served(&mut line).is_none(), "two still run");
    drop(other);
    assert!(served(&mut line).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_runs_already_takes_a_place_though_there_is_none() {
    let house = House::new(1, &[("a", None, 1)]);
    let one = house.of("a");
    let standing = one.standing();
    let [first, second] = [house.queue.take_over(&standing), house.queue.take_over(&standing)];
    let others = [house.of("a")];
    let mut next = lined_up(&others);
    drop(first);
    assert!(served(&mut next).is_none(), "one still runs");
    drop(second);
    assert!(served(&mut next).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_nothing_along() {
    let house = House::new(1, &[("a", None, 1), ("b", None, 1)]);
    let held = house.of("a").free().unwrap();
    let (of_a, of_b) = ([house.of("a"), house.of("a")], [house.of("b"), house.of("b")]);
    let (mut a, mut b) = (lined_up(&of_a), lined_up(&of_b));
    drop(held);
    // The place was given to the first of b, who leaves without having seen it.
    drop(b.remove(0));
    drop(served(&mut b).expect("its team has not had the turn"));
    served(&mut a).unwrap().unused();
    let slot = served(&mut a).expect("nor has one who had no use for it");
    assert_eq!((house.running(), house.waiting()), (1, 0));
    drop(slot);
    assert_eq!(house.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_team_alone_does_not_fill_the_line() {
    let house = House::new(1, &[("a", None, 1), ("b", None, 1)]);
    let _held = house.of("a").free().unwrap();
    let many: Vec<_> = (0..WAITING_PER_TEAM_MAX).map(|_| house.of("a")).collect();
    let _line = lined_up(&many);
    let (a, b) = (house.of("a"), house.of("b"));
    assert_eq!(house.queue.foresee(&a.standing(), 1).unwrap_err().status(), 429);
    assert_eq!(a.place().await.unwrap_err().status(), 429);
    assert!(house.queue.foresee(&b.standing(), 10).is_ok());
    let others: Vec<_> = (0..WAITING_MAX - WAITING_PER_TEAM_MAX - 5).map(|_| house.of("b")).collect();
    let _others = lined_up(&others);
    assert!(house.queue.foresee(&house.of("c").standing(), 5).is_ok());
    assert_eq!(house.queue.foresee(&house.of("c").standing(), 6).unwrap_err().status(), 503);
}
