//! Who joins whom: one generation in the registry, and requests that look for an answer.

use tokio::time::{Instant, advance};

use super::*;
use crate::evolink::TaskId;
use crate::fault::FaultKind;
use crate::generation::audience::Leaving;
use crate::generation::model::{Finished, ImageResult, MadeImage, Timing};
use crate::generation::tests::fake::plan;
use crate::image::Fingerprint;
use crate::money::Credits;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    New,
    Joins,
    Hits,
    Conflict,
}
use Way::{Conflict, Hits, Joins, New};

fn owner(team: &str, key: &str) -> Owner {
    Owner { team: team.into(), key: key.into(), fingerprint: Fingerprint::from_bytes([7; 32]) }
}

fn ours() -> Owner {
    owner("design", "ci")
}

fn reuse(sharing: Sharing) -> Reuse {
    Reuse { sharing, ..Reuse::default() }
}

fn shared() -> Reuse {
    Reuse::default()
}

fn own() -> Reuse {
    reuse(Sharing::Own)
}

fn private() -> Reuse {
    reuse(Sharing::Private)
}

fn keyed(key: &str, mut reuse: Reuse) -> Reuse {
    reuse.idempotency_key = IdempotencyKey::new(key);
    reuse
}

fn retry(reuse: Reuse) -> Reuse {
    Reuse { automatic_retry: true, ..reuse }
}

struct Bench {
    registry: Registry,
    generation: Arc<Generation>,
    ended: Option<Instant>,
}

impl Bench {
    /// A generation that this request of ours began and waits for.
    fn begun(reuse: &Reuse) -> Self {
        Self::begun_for(2, reuse)
    }

    fn begun_for(count: u8, reuse: &Reuse) -> Self {
        let mut registry = Registry::new(DAY, 15 * MINUTE);
        let generation = Generation::new(plan("a fox", count, &[]), ours(), 0);
        let private = reuse.sharing == Sharing::Private;
        let generation = Arc::new(generation.kept_to(reuse.idempotency_key.clone(), private));
        generation.audience.enter();
        registry.add(&generation).unwrap();
        assert!(generation.audience.may_buy());
        Self { registry, generation, ended: None }
    }

    /// What the cache has of the generation for this request.
    fn cached(&self, owner: &Owner, reuse: &Reuse) -> Option<Cached> {
        let generation = Arc::clone(&self.generation);
        let whole = end_of(&generation)?.is_whole() && !generation.is_private() && !generation.is_spoilt();
        let Sharing::Shared { max_age } = reuse.sharing else { return None };
        let (age, ours) = (self.ended?.elapsed(), *owner == *generation.owner());
        let left = DAY.checked_sub(age).filter(|left| !left.is_zero())?;
        let answers = whole && ours && max_age.is_none_or(|most| age <= most);
        answers.then_some(Cached { generation, freshness: Freshness { age, left } })
    }

    fn leaves(mut self, how: Leaving) -> Self {
        self.generation.audience.leave(how);
        self.registry.tidy(&self.generation);
        self
    }

    fn ends(mut self, images: Vec<ImageResult>) -> Self {
        let finished = Finished { created: 0, images, timing: Timing::default() };
        self.generation.advance(Phase::Finished(Arc::new(finished)));
        self.registry.ended(&self.generation);
        self.ended = Some(Instant::now());
        self
    }

    /// How the request comes to an answer; it is as if it had never been.
    fn way_of(&mut self, owner: &Owner, reuse: &Reuse) -> Way {
        let cached = self.cached(owner, reuse);
        match self.registry.take(owner, reuse, cached) {
            Err(fault) => {
                assert_eq!(fault.kind(), FaultKind::IdempotencyConflict);
                Conflict
            }
            Ok(None) => New,
            Ok(Some(Found { generation, came, .. })) => {
                assert!(Arc::ptr_eq(&generation, &self.generation));
                generation.audience.leave(Leaving::Told);
                if came == Came::Joined { Joins } else { Hits }
            }
        }
    }

    #[track_caller]
    fn answers(&mut self, table: &[(&str, Reuse, Way)]) {
        for (who, reuse, way) in table {
            assert_eq!(self.way_of(&ours(), reuse), *way, "{who}");
        }
    }
}

fn image() -> MadeImage {
    let link = "https://media.test/a.png".to_owned();
    MadeImage { task: TaskId::new("task-unified-1-abcdefgh"), link, credits: Credits::ZERO }
}

fn failed(kind: FaultKind) -> ImageResult {
    Err(Fault::new(kind, "no"))
}

fn only(reuse: Reuse) -> Reuse {
    Reuse { only_if_cached: true, ..reuse }
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_is_awaited_is_joined_by_its_team_and_by_automatic_retries_of_its_key() {
    Bench::begun(&shared()).answers(&[
        ("shared", shared(), Joins),
        ("shared, with an age", reuse(Sharing::Shared { max_age: Some(SECOND) }), Joins),
        ("shared, only what is cached", only(shared()), New),
        ("shared, with a key", keyed("a", shared()), New),
        ("own", own(), New),
        ("own, retry", retry(own()), Joins),
        ("own, retry with a key", keyed("a", retry(own())), New),
        ("own, only what is cached", only(retry(own())), New),
        ("private", private(), New),
        ("private, retry", retry(private()), New),
    ]);
    let mut bench = Bench::begun(&own());
    assert_eq!(bench.way_of(&owner("design", "other"), &shared()), Joins, "another key of the team");
    assert_eq!(bench.way_of(&owner("design", "other"), &retry(own())), New);
    assert_eq!(bench.way_of(&owner("print", "ci"), &shared()), New, "another team");
    assert_eq!(bench.way_of(&ours(), &shared()), Joins);
}

#[tokio::test(start_paused = true)]
async fn what_is_private_is_shared_by_its_own_kind_alone() {
    let mut awaited = Bench::begun(&private());
    awaited.answers(&[("shared", shared(), New), ("own", retry(own()), New)]);
    awaited.answers(&[("private", private(), New), ("private, retry", retry(private()), Joins)]);
    let mut ended = Bench::begun(&private()).leaves(Leaving::Gone).ends(vec![Ok(image()), Ok(image())]);
    ended.answers(&[("shared", shared(), New), ("own", own(), New), ("private", private(), Joins)]);
    let mut failed = Bench::begun(&private()).ends(vec![failed(FaultKind::Moderation)]);
    failed.answers(&[("shared", shared(), New), ("own", own(), New), ("private", private(), Hits)]);
}

#[tokio::test(start_paused = true)]
async fn what_has_a_key_is_joined_by_it_and_by_those_who_share() {
    let mut awaited = Bench::begun(&keyed("a", own()));
    awaited.answers(&[
        ("its key", keyed("a", own()), Joins),
        ("its key, shared", keyed("a", shared()), Joins),
        ("its key, private", keyed("a", private()), Joins),
        ("its key, only what is cached", keyed("a", only(own())), Joins),
        ("another key", keyed("b", shared()), New),
        ("none, shared", shared(), Joins),
        ("none, own", retry(own()), New),
    ]);
    assert_eq!(awaited.way_of(&owner("print", "ci"), &keyed("a", own())), New, "keys are a team's own");
    let other = Owner { fingerprint: Fingerprint::from_bytes([8; 32]), ..ours() };
    assert_eq!(awaited.way_of(&other, &keyed("a", own())), Conflict);
    let mut orphan = awaited.leaves(Leaving::Gone);
    orphan.answers(&[("own", own(), New), ("its key", keyed("a", own()), Joins)]);
    let mut ended = orphan.ends(vec![Ok(image()), failed(FaultKind::TaskFailed)]);
    ended.answers(&[("its key, in part", keyed("a", own()), Hits), ("own", own(), New)]);
    assert_eq!(ended.way_of(&other, &keyed("a", own())), Conflict);
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_taken_once_by_its_key_and_by_its_team() {
    let mut orphan = Bench::begun(&own()).leaves(Leaving::Gone);
    assert!(orphan.registry.take(&ours(), &own(), None).unwrap().is_some());
    orphan.answers(&[
        ("a second", own(), New),
        ("a retry", retry(own()), Joins),
        ("shared", shared(), Joins),
    ]);
    let mut ended = Bench::begun(&own()).leaves(Leaving::Gone).ends(vec![Ok(image()), Ok(image())]);
    ended.answers(&[
        ("own", own(), Joins),
        ("with a key", keyed("a", own()), New),
        ("private", private(), New),
    ]);
    assert_eq!(ended.way_of(&owner("design", "other"), &own()), New);
    advance(15 * MINUTE + SECOND).await;
    ended.answers(&[("own, too late", own(), New), ("shared", shared(), Hits)]);
}

#[tokio::test(start_paused = true)]
async fn what_ended_whole_answers_its_team_for_replay() {
    let mut bench = Bench::begun(&own()).ends(vec![Ok(image()), Ok(image())]).leaves(Leaving::Answered);
    advance(MINUTE).await;
    let within = |seconds| reuse(Sharing::Shared { max_age: Some(Duration::from_secs(seconds)) });
    bench.answers(&[
        ("shared", shared(), Hits),
        ("only what is cached", only(shared()), Hits),
        ("old enough", within(60), Hits),
        ("too old", within(59), New),
        ("own", retry(own()), New),
        ("private", private(), New),
    ]);
    assert_eq!(bench.way_of(&owner("print", "ci"), &shared()), New);
    let late = keyed("late", shared());
    let cached = bench.cached(&ours(), &late);
    let found = bench.registry.take(&ours(), &late, cached).unwrap().unwrap();
    let left = DAY.checked_sub(MINUTE).unwrap();
    assert_eq!((found.came, found.newly_named), (Came::Hit { age: MINUTE, left, foreign: false }, true));
    bench.answers(&[("the new key", keyed("late", own()), Hits), ("another", keyed("other", own()), New)]);
    advance(DAY).await;
    bench.answers(&[("after replay", shared(), New), ("its key", keyed("late", shared()), New)]);
}

#[tokio::test(start_paused = true)]
async fn the_latest_end_answers() {
    let mut bench = Bench::begun(&own()).ends(vec![Ok(image()), Ok(image())]).leaves(Leaving::Answered);
    advance(MINUTE).await;
    let first = Arc::clone(&bench.generation);
    let second = Arc::new(Generation::new(plan("a fox", 2, &[]), ours(), 0));
    second.audience.enter();
    bench.registry.add(&second).unwrap();
    assert!(second.audience.may_buy());
    bench.generation = second;
    let mut bench = bench.ends(vec![Ok(image()), Ok(image())]).leaves(Leaving::Answered);
    bench.answers(&[("shared", shared(), Hits)]);
    bench.registry.withdraw("design", bench.generation.id().as_str());
    bench.generation = first;
    bench.answers(&[("shared", shared(), Hits)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_in_part_answers_whom_it_never_reached_and_nobody_else() {
    let in_part = || vec![Ok(image()), failed(FaultKind::TaskFailed)];
    let mut lost = Bench::begun(&shared()).leaves(Leaving::Gone).ends(in_part());
    lost.answers(&[("shared", shared(), Joins), ("only what is cached", only(shared()), New)]);
    let mut out = Bench::begun(&shared()).ends(in_part()).leaves(Leaving::Answered);
    out.answers(&[("shared", shared(), New), ("own", retry(own()), New)]);
}

#[tokio::test(start_paused = true)]
async fn a_final_failure_answers_its_key_for_a_minute_and_its_name_for_replay() {
    let refused = || vec![failed(FaultKind::TaskFailed), failed(FaultKind::TaskFailed)];
    let mut bench = Bench::begun(&shared()).ends(refused()).leaves(Leaving::Answered);
    bench.answers(&[
        ("shared", shared(), Hits),
        ("own", own(), Hits),
        ("private", private(), New),
        ("with a key", keyed("a", shared()), New),
        ("only what is cached", only(shared()), New),
    ]);
    assert_eq!(bench.way_of(&owner("design", "other"), &shared()), New);
    advance(MINUTE + SECOND).await;
    bench.answers(&[("too late", shared(), New)]);
    let mut named = Bench::begun(&keyed("a", own())).ends(refused()).leaves(Leaving::Answered);
    named.answers(&[("shared", shared(), Hits), ("own", own(), New)]);
    advance(MINUTE + SECOND).await;
    named.answers(&[("its key", keyed("a", own()), Hits), ("shared", shared(), New)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_safety_filter_answers_the_team_for_minutes() {
    let refused = || vec![failed(FaultKind::Moderation), failed(FaultKind::Moderation)];
    let mut bench = Bench::begun(&own()).ends(refused()).leaves(Leaving::Answered);
    advance(2 * MINUTE).await;
    bench.answers(&[
        ("shared", shared(), Hits),
        ("with a key", keyed("a", shared()), Hits),
        ("own, after a minute", own(), New),
        ("only what is cached", only(shared()), New),
    ]);
    assert_eq!(bench.way_of(&owner("design", "other"), &shared()), Hits, "another key of the team");
    assert_eq!(bench.way_of(&owner("print", "ci"), &shared()), New, "another team");
    let found = bench.registry.take(&ours(), &shared(), None).unwrap().unwrap();
    assert_eq!(found.came, Came::Hit { age: 2 * MINUTE, left: 3 * MINUTE, foreign: false });
    advance(3 * MINUTE + SECOND).await;
    bench.answers(&[("too late", shared(), New)]);
    let mut private = Bench::begun(&private()).ends(refused()).leaves(Leaving::Answered);
    private.answers(&[("shared", shared(), New)]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_moment_answers_nobody_and_frees_the_key() {
    for kind in [
        FaultKind::NoSlot,
        FaultKind::Overloaded,
        FaultKind::UpstreamUnavailable,
        FaultKind::UpstreamAccount,
        FaultKind::Internal,
    ] {
        let bench = Bench::begun(&keyed("a", shared()));
        let mut bench = bench.ends(vec![failed(kind), failed(kind)]);
        let other = Owner { fingerprint: Fingerprint::from_bytes([8; 32]), ..ours() };
        assert_eq!(bench.way_of(&other, &keyed("a", shared())), New, "{kind:?}");
        bench.answers(&[
            ("its key", keyed("a", shared()), New),
            ("shared", shared(), New),
            ("own", retry(own()), New),
        ]);
        let mut left = bench.leaves(Leaving::Gone);
        left.answers(&[("shared", shared(), New), ("own", retry(own()), New)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_overdue_or_long_in_doubt_is_joined_by_its_name_alone() {
    let mut overdue = Bench::begun(&keyed("a", shared()));
    overdue.generation.advance(Phase::Overdue);
    overdue.answers(&[("shared", shared(), New), ("its key", keyed("a", shared()), Joins)]);
    let mut doubtful = Bench::begun(&keyed("a", shared()));
    doubtful.generation.advance(Phase::InDoubt { creates: 1 });
    doubtful.answers(&[("shared", shared(), Joins)]);
    advance(15 * MINUTE + SECOND).await;
    doubtful.answers(&[("shared", shared(), New), ("its key", keyed("a", shared()), Joins)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_answers_nobody_and_frees_the_key() {
    for ended in [false, true] {
        let mut bench = Bench::begun(&keyed("a", shared()));
        if ended {
            bench = bench.ends(vec![Ok(image()), Ok(image())]).leaves(Leaving::Answered);
        }
        let id = bench.generation.id().clone();
        assert!(bench.registry.withdraw("design", id.as_str()).is_some());
        bench.answers(&[("its key", keyed("a", shared()), New), ("shared", shared(), New)]);
        bench.answers(&[("own", retry(own()), New)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_abandoned_answers_only_if_it_was_made_all_the_same() {
    let abandoned = || {
        let bench = Bench::begun(&keyed("a", shared())).leaves(Leaving::Gone);
        bench.generation.audience.abandon();
        bench
    };
    let mut bench = abandoned();
    bench.answers(&[("shared", shared(), New), ("its key", keyed("a", shared()), New)]);
    bench
        .ends(vec![Ok(image()), Ok(image())])
        .answers(&[("shared", shared(), Hits), ("its key", keyed("a", shared()), Hits)]);
    let mut in_part = abandoned().ends(vec![Ok(image()), failed(FaultKind::Overloaded)]);
    in_part.answers(&[("shared", shared(), New), ("its key", keyed("a", shared()), New)]);
}

#[tokio::test(start_paused = true)]
async fn what_can_no_longer_be_had_answers_nobody_whom_it_had_reached() {
    let mut bench = Bench::begun(&shared()).ends(vec![Ok(image()), Ok(image())]).leaves(Leaving::Answered);
    bench.answers(&[("shared", shared(), Hits)]);
    bench.generation.spoil();
    bench.answers(&[("shared", shared(), New)]);
}
