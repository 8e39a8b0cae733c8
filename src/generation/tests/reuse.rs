//! Doing it once, as whole generations do it: side by side, over a restart, beyond what there is room for, and
//! between teams. Who takes what is `registry::finding`'s own test.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::super::journal::Purge;
use super::super::*;
use super::fake::{Bench, Fake, MINUTE, after, house_on, house_with, options, own, owner, plan, soon, wish};
use crate::cache::{RuleBook, Rules, Scope};
use crate::evolink::{CallError, Refusal};
use crate::fault::FaultKind;
use crate::media::{FetchOptions, PictureStore};
use crate::store::{Engine, EngineJournal};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn shared() -> Reuse {
    Reuse::default()
}

fn keyed(key: &str) -> Reuse {
    Reuse { idempotency_key: IdempotencyKey::new(key), ..Reuse::default() }
}

/// One answer made whole and delivered.
async fn answered(generations: &Generations, wish: Wish) -> GenerationId {
    let mut waiter = generations.begin(wish).await.unwrap();
    waiter.finished(soon()).await.unwrap();
    let id = waiter.generation().id().clone();
    waiter.answered();
    id
}

#[tokio::test(start_paused = true)]
async fn five_hundred_at_once_are_one_generation_whether_they_have_a_key_or_not() {
    for reuse in [shared(), keyed("a")] {
        let bench = Bench::new();
        let fox = plan("a fox", 1, &[]);
        let asked = (0..500).map(|_| answered(&bench.generations, wish(&fox, reuse.clone())));
        let ids: BTreeSet<_> = join_all(asked).await.iter().map(ToString::to_string).collect();
        assert_eq!((ids.len(), bench.script().creates.len()), (1, 1));
    }
}

/// A journal on which one house after the other works.
struct Houses {
    journal: Arc<EngineJournal>,
    fake: Arc<Fake>,
    now_ms: i64,
}

struct Started {
    generations: Generations,
    _loops: tokio::task::JoinSet<()>,
}

impl Houses {
    fn new() -> Self {
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        Self { journal, fake: Arc::default(), now_ms: 1_800_000_000_000 }
    }

    /// The next house, so much later than the last one began.
    async fn start(&mut self, later: Duration) -> Started {
        self.now_ms += i64::try_from(later.as_millis()).unwrap();
        let upstream: Arc<dyn Upstream> = self.fake.clone();
        let clock = Clock::going_from(Timestamp::from_millisecond(self.now_ms).unwrap());
        let (generations, loops) =
            house_on(self.journal.clone(), upstream, options(), &Arc::new(Metrics::new()), clock);
        generations.recover().await.unwrap();
        Started { generations, _loops: loops }
    }
}

impl Started {
    async fn came(&self, wish: Wish) -> (Came, GenerationId) {
        let waiter = self.generations.begin(wish).await.unwrap();
        (waiter.came(), waiter.generation().id().clone())
    }
}

fn is_hit((came, id): &(Came, GenerationId), of: &GenerationId) -> bool {
    matches!(came, Came::Hit { .. }) && id == of
}

#[tokio::test(start_paused = true)]
async fn what_ended_answers_the_next_house_by_what_it_is_of_and_by_its_keys() {
    let mut houses = Houses::new();
    let (fox, owl) = (plan("a fox", 1, &[]), plan("an owl", 1, &[]));
    let first = houses.start(Duration::ZERO).await;
    let id = answered(&first.generations, wish(&fox, keyed("a"))).await;
    assert_eq!(answered(&first.generations, wish(&fox, keyed("b"))).await, id);
    let private = Reuse { sharing: Sharing::Private, ..Reuse::default() };
    answered(&first.generations, wish(&owl, private)).await;
    after(SECOND).await;
    drop(first);
    let second = houses.start(2 * HOUR).await;
    let (linked, replay) = (results::LINKED_AGE_MAX, options().replay);
    for (reuse, kept) in [(shared(), linked), (keyed("a"), replay), (keyed("b"), replay)] {
        let found = second.came(wish(&fox, reuse)).await;
        assert!(is_hit(&found, &id), "{found:?}");
        let Came::Hit { age, left, .. } = found.0 else { unreachable!() };
        assert!(age > HOUR && age + left == kept, "{age:?} {left:?}");
    }
    let conflict = second.generations.begin(wish(&owl, keyed("b"))).await.map(drop).unwrap_err();
    assert_eq!(conflict.kind(), FaultKind::IdempotencyConflict);
    assert_eq!(second.came(wish(&owl, shared())).await.0, Came::First, "what is private stays so");
    drop(second);
    let third = houses.start(options().replay).await;
    assert_eq!(third.came(wish(&fox, keyed("a"))).await.0, Came::First, "replay is over");
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_once_answers_a_house_that_stores_nothing_only_while_its_links_last() {
    let (mut houses, folder) = (Houses::new(), tempfile::tempdir().unwrap());
    let fox = plan("a fox", 1, &[]);
    let clock = Clock::going_from(Timestamp::from_millisecond(houses.now_ms).unwrap());
    let store = PictureStore::in_folder(folder.path().to_owned(), u64::MAX, clock.clone());
    let keeping = Keeping { pictures: Some(store), ..houses.journal.clone().into() };
    let (fetcher, upstream) = (Fetcher::new(FetchOptions::default()).unwrap(), houses.fake.clone());
    let (storing, loops) =
        house_with(fetcher, keeping, upstream, options(), &Arc::new(Metrics::new()), clock);
    let id = answered(&storing, wish(&fox, shared())).await;
    after(SECOND).await;
    drop((storing, loops));
    let soon_after = houses.start(22 * HOUR).await;
    let found = soon_after.came(wish(&fox, shared())).await;
    assert!(is_hit(&found, &id), "{found:?}");
    let Came::Hit { age, left, .. } = found.0 else { unreachable!() };
    assert_eq!(age + left, results::LINKED_AGE_MAX);
    drop(soon_after);
    let later = houses.start(HOUR + MINUTE).await;
    assert_eq!(later.came(wish(&fox, shared())).await.0, Came::First, "its links are too old");
}

#[tokio::test(start_paused = true)]
async fn a_running_generation_keeps_its_key_and_a_final_failure_its_minute_over_a_restart() {
    let mut houses = Houses::new();
    let (fox, owl) = (plan("a fox", 1, &[]), plan("an owl", 1, &[]));
    let first = houses.start(Duration::ZERO).await;
    houses.fake.script().tasks_take = [MINUTE].into();
    let refused = CallError::Refused {
        refusal: Refusal::BadRequest,
        status: 400,
        code: "invalid_request".into(),
        message: String::new(),
    };
    houses.fake.script().create_errors = [refused].into();
    let mut refused = first.generations.begin(own(&owl)).await.unwrap();
    assert!(refused.finished(soon()).await.is_err());
    let failed = refused.generation().id().clone();
    drop(refused);
    let running = first.generations.begin(wish(&fox, keyed("a"))).await.unwrap();
    let id = running.generation().id().clone();
    after(15 * SECOND).await;
    drop((running, first));
    let second = houses.start(20 * SECOND).await;
    assert_eq!(second.came(wish(&fox, keyed("a"))).await, (Came::Joined, id));
    assert_eq!(second.came(wish(&fox, keyed("b"))).await.0, Came::First);
    for _ in 0..2 {
        assert_eq!(second.came(own(&owl)).await.1, failed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_was_no_room_for_is_found_in_the_journal() {
    let bench = Bench::new();
    bench.generations.registry().keep_only(1);
    let (fox, owl) = (plan("a fox", 1, &[]), plan("an owl", 1, &[]));
    let id = answered(&bench.generations, wish(&fox, keyed("a"))).await;
    let other = answered(&bench.generations, wish(&owl, shared())).await;
    after(SECOND).await;
    assert!(bench.find(id.as_str()).is_none(), "it is forgotten");
    let came = async |wish| {
        let waiter = bench.generations.begin(wish).await.unwrap();
        (waiter.came(), waiter.generation().id().clone())
    };
    assert!(is_hit(&came(wish(&fox, shared())).await, &id), "by what it is of");
    assert!(is_hit(&came(wish(&owl, shared())).await, &other), "which was forgotten in turn");
    assert!(is_hit(&came(wish(&fox, keyed("a"))).await, &id), "by its key");
    bench.generations.remember(&"design".into(), other.as_str()).await;
    let conflict = bench.generations.begin(wish(&owl, keyed("a"))).await.map(drop).unwrap_err();
    assert_eq!(conflict.kind(), FaultKind::IdempotencyConflict);
    bench.generations.remember(&"design".into(), other.as_str()).await;
    bench.generations.remember(&"other".into(), id.as_str()).await;
    assert!(bench.find(id.as_str()).is_none(), "another team's is not looked for");
    bench.generations.remember(&"design".into(), id.as_str()).await;
    assert!(bench.find(id.as_str()).is_some(), "by its id");
    assert_eq!(bench.script().creates.len(), 2);
    assert_eq!(came(own(&fox)).await.0, Came::First, "it had been delivered");
    assert_eq!(owner(&fox).team, "design".into());
}

/// Two teams that share what they have made.
fn sharing_teams() -> Keeping {
    let rules = Rules { scope: Scope::Shared, ..Rules::default() };
    let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
    Keeping { rules: RuleBook::for_all(rules), ..Keeping::from(journal) }
}

fn for_team(team: &str, wish: Wish) -> Wish {
    Wish { owner: Owner { team: team.into(), ..wish.owner }, ..wish }
}

#[tokio::test(start_paused = true)]
async fn teams_that_share_take_each_others_results_but_join_nothing_and_name_nothing() {
    let (fake, metrics) = (Arc::new(Fake::default()), Arc::new(Metrics::new()));
    let clock = Clock::fixed(1_800_000_000);
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    let (generations, _loops) =
        house_with(fetcher, sharing_teams(), fake.clone(), options(), &metrics, clock);
    let fox = plan("a fox", 1, &[]);
    let first = generations.begin(wish(&fox, shared())).await.unwrap();
    let second = generations.begin(for_team("print", wish(&fox, shared()))).await.unwrap();
    assert_eq!((first.came(), second.came()), (Came::First, Came::First), "nothing is joined across teams");
    drop(second);
    let id = answered(&generations, wish(&fox, shared())).await;
    drop(first);
    let theirs = generations.begin(for_team("office", wish(&fox, keyed("a")))).await.unwrap();
    assert!(matches!(theirs.came(), Came::Hit { foreign: true, .. }), "{:?}", theirs.came());
    assert!(generations.find("office", id.as_str()).is_none(), "its id is its team's");
    let again = generations.begin(for_team("office", wish(&plan("an owl", 1, &[]), keyed("a")))).await;
    assert_eq!(again.unwrap().came(), Came::First, "the key stands for nothing of another team's");
}

#[tokio::test(start_paused = true)]
async fn what_a_team_takes_back_is_no_result_and_what_is_purged_still_answers_by_id_and_key() {
    let bench = Bench::new();
    let (fox, owl) = (plan("a fox", 1, &[]), plan("an owl", 1, &[]));
    let id = answered(&bench.generations, wish(&fox, shared())).await;
    assert!(bench.generations.detach("design", id.as_str()).is_some());
    assert_eq!(bench.generations.begin(wish(&fox, shared())).await.unwrap().came(), Came::First);
    let kept = answered(&bench.generations, wish(&owl, keyed("a"))).await;
    let of = |model: &str| Purge { model: Some(model.to_owned()), ..Purge::default() };
    assert_eq!(bench.generations.purge(of("another")).await.unwrap(), 0);
    assert_eq!(bench.generations.purge(of(&owl.class.model)).await.unwrap(), 2, "the second fox is one");
    assert_eq!(bench.generations.results(), 0);
    let named = bench.generations.begin(wish(&owl, keyed("a"))).await.unwrap();
    assert!(is_hit(&(named.came(), named.generation().id().clone()), &kept));
    assert!(bench.find(kept.as_str()).is_some());
    drop(named);
    assert_eq!(bench.generations.begin(wish(&owl, shared())).await.unwrap().came(), Came::First);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_fresh_for_the_time_of_its_team_and_a_changed_rule_holds_at_once() {
    let mut houses = Houses::new();
    let fox = plan("a fox", 1, &[]);
    let house = houses.start(Duration::ZERO).await;
    let rules = |enabled, ttl| [("design".into(), Rules { enabled, ttl, ..Rules::default() })];
    house.generations.set_cache_rules(rules(true, 2 * MINUTE));
    let id = answered(&house.generations, wish(&fox, shared())).await;
    after(MINUTE).await;
    assert!(is_hit(&house.came(wish(&fox, shared())).await, &id));
    let only = Reuse { only_if_cached: true, ..shared() };
    for (enabled, ttl) in [(true, 30 * SECOND), (false, 2 * MINUTE)] {
        house.generations.set_cache_rules(rules(enabled, ttl));
        let fault = house.generations.begin(wish(&fox, only.clone())).await.map(drop).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::CacheMiss, "{enabled} {ttl:?}");
    }
    house.generations.set_cache_rules(rules(true, HOUR));
    assert!(
        is_hit(&house.came(wish(&fox, only.clone())).await, &id),
        "longer than it was: as long as was said"
    );
    after(MINUTE).await;
    assert!(house.generations.begin(wish(&fox, only)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_names_a_result_whose_generation_was_forgotten_for_room() {
    let bench = Bench::new();
    bench.generations.registry().keep_only(1);
    let (fox, owl) = (plan("a fox", 1, &[]), plan("an owl", 1, &[]));
    let id = answered(&bench.generations, wish(&fox, shared())).await;
    answered(&bench.generations, wish(&owl, shared())).await;
    after(SECOND).await;
    let named = bench.generations.begin(wish(&fox, keyed("late"))).await.unwrap();
    assert!(is_hit(&(named.came(), named.generation().id().clone()), &id));
    let conflict = bench.generations.begin(wish(&owl, keyed("late"))).await.map(drop).unwrap_err();
    assert_eq!(conflict.kind(), FaultKind::IdempotencyConflict);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_a_moment_ago_does_not_come_back_from_the_journal() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    // As after a restart: the journal is asked.
    bench.generations.0.cache.note_behind(Some(i64::MAX));
    let id = answered(&bench.generations, wish(&fox, shared())).await;
    after(SECOND).await;
    assert!(bench.generations.detach("design", id.as_str()).is_some());
    let again = bench.generations.begin(wish(&fox, shared())).await.unwrap();
    assert_eq!(again.came(), Came::First, "the journal does not know yet");
}

#[tokio::test(start_paused = true)]
async fn a_team_that_shares_no_longer_takes_its_results_along() {
    let (fake, metrics) = (Arc::new(Fake::default()), Arc::new(Metrics::new()));
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    let clock = Clock::going_from(Timestamp::from_second(1_800_000_000).unwrap());
    let (generations, _loops) = house_with(fetcher, sharing_teams(), fake, options(), &metrics, clock);
    let rules = |scope, ttl| {
        let of_owner = Rules { scope, ttl, ..Rules::default() };
        let of_other = Rules { scope: Scope::Shared, ..Rules::default() };
        generations.set_cache_rules([("design".into(), of_owner), ("print".into(), of_other)]);
    };
    rules(Scope::Shared, HOUR);
    let fox = plan("a fox", 1, &[]);
    answered(&generations, wish(&fox, shared())).await;
    after(MINUTE).await;
    let only = Reuse { only_if_cached: true, ..shared() };
    let asks = async || generations.begin(for_team("print", wish(&fox, only.clone()))).await.is_ok();
    assert!(asks().await);
    for (scope, ttl, answers) in
        [(Scope::Team, HOUR, false), (Scope::Shared, 30 * SECOND, false), (Scope::Shared, HOUR, true)]
    {
        rules(scope, ttl);
        assert_eq!(asks().await, answers, "{scope:?} {ttl:?}");
    }
}
