//! Creates that may have been taken and may not be repeated: upstream's list of tasks is all there is.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::super::*;
use super::fake::{Fake, LIST_EPOCH, MINUTE, after, house_on, options, own, plan, settlement, soon};
use super::recovery;
use crate::evolink::{CallError, ListedTask, Refusal, TaskId};
use crate::fault::FaultKind;
use crate::image::Plan;
use crate::store::{Engine, EngineJournal};

const SECOND: Duration = Duration::from_secs(1);
const TASK: &str = "task-unified-1-zzzzzzzz";

/// An upstream that takes every create for a new one.
struct Bench {
    fake: Arc<Fake>,
    generations: Generations,
    metrics: Arc<Metrics>,
    _loops: tokio::task::JoinSet<()>,
}

fn deaf() -> Options {
    Options { idempotent_creates: false, ..options() }
}

impl Bench {
    fn new() -> Self {
        Self::with(deaf())
    }

    fn with(options: Options) -> Self {
        let (fake, metrics) = (Arc::new(Fake::default()), Arc::new(Metrics::new()));
        fake.script().listing = Some(Instant::now());
        let upstream: Arc<dyn Upstream> = fake.clone();
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        let clock = Clock::going_from(Timestamp::from_second(LIST_EPOCH).unwrap());
        let (generations, loops) = house_on(journal, upstream, options, &metrics, clock);
        Self { fake, generations, metrics, _loops: loops }
    }

    async fn begin(&self, plan: &Arc<Plan>) -> Waiter {
        self.generations.begin(own(plan)).await.unwrap()
    }

    fn in_doubt(&self, count: usize) -> bool {
        self.metrics.render().contains(&format!("evolink_gateway_in_doubt_generations {count}\n"))
    }

    fn creates(&self) -> usize {
        self.fake.script().creates.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_in_the_list_and_nobody_notices() {
    let bench = Bench::new();
    let mut bear = bench.begin(&plan("a bear", 1, &[])).await;
    bear.finished(soon()).await.unwrap();
    bench.fake.script().unheard = 1;
    let mut fox = bench.begin(&plan("a fox", 1, &[])).await;
    after(SECOND).await;
    assert_eq!(fox.generation().state(), State::Running);
    assert!(fox.finished(soon()).await.unwrap().images[0].is_ok());
    assert_eq!(fox.generation().task_ids(), [bench.fake.script().made[1].0.clone()]);
    assert_eq!(bench.creates(), 2);
}

#[tokio::test(start_paused = true)]
async fn equal_images_of_one_generation_find_a_task_each() {
    let bench = Bench::new();
    bench.fake.script().unheard = 3;
    let mut fox = bench.begin(&plan("a fox", 3, &[])).await;
    let finished = fox.finished(soon()).await.unwrap();
    let mut tasks: Vec<_> = finished.images.iter().flatten().map(|image| image.task.clone()).collect();
    tasks.sort();
    tasks.dedup();
    assert_eq!((tasks.len(), bench.creates()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn tasks_that_may_be_either_of_two_are_nobodys() {
    let bench = Bench::new();
    bench.fake.script().unheard = 2;
    let (fox, bear) = (plan("a fox", 1, &[]), plan("a bear", 1, &[]));
    let (mut first, mut second) = (bench.begin(&fox).await, bench.begin(&bear).await);
    for waiter in [&mut first, &mut second] {
        assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    }
    assert!(bench.in_doubt(2), "{}", bench.metrics.render());
    assert!(first.generation().task_ids().is_empty());
    after(options().replay).await;
    assert_eq!([first.generation().state(), second.generation().state()], [State::Failed; 2]);
    assert!(bench.in_doubt(0) && bench.creates() == 2);
    let lists = bench.fake.script().lists;
    assert!((400..800).contains(&lists), "the pauses grow: {lists}");
}

#[tokio::test(start_paused = true)]
async fn a_create_of_which_the_list_knows_nothing_stays_in_doubt_and_is_joined() {
    let bench = Bench::new();
    bench.fake.script().create_errors = [CallError::Timeout].into();
    let fox = plan("a fox", 1, &[]);
    let mut waiter = bench.begin(&fox).await;
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    let id = waiter.generation().id().clone();
    drop(waiter);
    after(5 * MINUTE).await;
    let mut again = bench.begin(&fox).await;
    assert!(again.joined() && again.generation().id() == &id);
    assert_eq!(again.generation().state(), State::InDoubt);
    assert_eq!(again.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    assert!(bench.in_doubt(1) && bench.creates() == 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_surely_not_taken_is_sent_again() {
    let bench = Bench::new();
    bench.fake.script().create_errors =
        [CallError::Connect("refused".into()), CallError::Busy { retry_after: Some(SECOND) }].into();
    let mut fox = bench.begin(&plan("a fox", 1, &[])).await;
    assert!(fox.finished(soon()).await.is_ok());
    assert_eq!((bench.creates(), bench.fake.script().lists), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_list_nothing_is_repeated_either() {
    let bench = Bench::new();
    bench.fake.script().listing = None;
    bench.fake.script().unheard = 1;
    let mut fox = bench.begin(&plan("a fox", 1, &[])).await;
    assert_eq!(fox.finished(soon()).await.unwrap_err().kind(), FaultKind::OutcomeUnknown);
    after(60 * MINUTE).await;
    assert!(bench.in_doubt(1) && bench.creates() == 1);
}

/// Of a repetition, before its key is looked at.
fn refused() -> CallError {
    let (code, message) = ("content_policy_violation".to_owned(), String::new());
    CallError::Refused { refusal: Refusal::Moderation, status: 400, code, message }
}

#[tokio::test(start_paused = true)]
async fn a_refused_repetition_does_not_undo_a_create_that_was_taken() {
    let bench = Bench::with(options());
    bench.fake.script().unheard = 1;
    let mut fox = bench.begin(&plan("a fox", 1, &[])).await;
    after(Duration::from_millis(100)).await;
    bench.fake.script().create_errors = [refused()].into();
    assert!(fox.finished(soon()).await.unwrap().images[0].is_ok());
    assert_eq!((bench.creates(), bench.fake.script().made.len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_repetition_is_the_answer_once_the_list_shows_that_nothing_was_taken() {
    let bench = Bench::with(options());
    bench.fake.script().create_errors = [CallError::Timeout, refused()].into();
    let mut fox = bench.begin(&plan("a fox", 1, &[])).await;
    let unknown = fox.finished(soon()).await.unwrap_err();
    assert_eq!((unknown.kind(), fox.generation().state()), (FaultKind::OutcomeUnknown, State::InDoubt));
    drop(fox);
    after(Duration::from_mins(2)).await;
    let mut again = bench.begin(&plan("a fox", 1, &[])).await;
    assert_eq!(again.finished(soon()).await.unwrap_err().kind(), FaultKind::Moderation);
    assert_eq!((bench.creates(), bench.in_doubt(0)), (2, true));
}

#[tokio::test(start_paused = true)]
async fn a_refused_repetition_stays_in_doubt_where_there_is_no_list() {
    let bench = Bench::with(options());
    bench.fake.script().listing = None;
    bench.fake.script().create_errors = [CallError::Timeout, refused()].into();
    let fox = bench.begin(&plan("a fox", 1, &[])).await;
    after(Duration::from_hours(1)).await;
    assert_eq!((fox.generation().state(), bench.creates()), (State::InDoubt, 2));
}

fn listed(ago: Duration) -> ListedTask {
    let created = LIST_EPOCH - ago.as_secs().cast_signed();
    ListedTask { id: TaskId::new(TASK), model: "gpt-image-2".into(), created }
}

#[tokio::test(start_paused = true)]
async fn a_create_of_an_earlier_process_is_looked_for_and_not_repeated() {
    // The second upstream honours keys, but the time for repetitions is over.
    for (options, ago) in [(deaf(), 40 * SECOND), (options(), 61 * MINUTE)] {
        let bench = recovery::Bench::new();
        let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", ago).await;
        bench.begun(&id, 0, ago).await;
        bench.fake.knows(TASK, 30 * SECOND);
        bench.fake.script().listing = Some(Instant::now());
        bench.fake.script().strangers = vec![listed(ago)];
        let house = bench.start_with(Options { task_timeout: 90 * MINUTE, ..options }).await;
        let mut waiter = house.find(&id).unwrap();
        after(60 * SECOND).await;
        assert_eq!(waiter.generation().task_ids(), [TaskId::new(TASK)]);
        assert!(waiter.finished(soon()).await.is_ok());
        assert!(bench.fake.script().creates.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_journal_knows_is_not_taken_for_another() {
    let bench = recovery::Bench::new();
    let done = bench.admitted(&plan("a bear", 1, &[]), "gen_1", MINUTE).await;
    let purchase = bench.begun(&done, 0, 40 * SECOND).await;
    bench.note(recovery::task_of(purchase, TASK)).await;
    bench
        .note(Note::Finished {
            generation: done,
            created: 0,
            ended_ms: recovery::NOW_MS,
            images: vec![],
            settlement: settlement(),
            shared: None,
        })
        .await;
    let id = bench.admitted(&plan("a fox", 1, &[]), "gen_2", MINUTE).await;
    bench.begun(&id, 0, 40 * SECOND).await;
    bench.fake.script().listing = Some(Instant::now());
    bench.fake.script().strangers = vec![listed(40 * SECOND)];
    let house = bench.start_with(deaf()).await;
    after(5 * MINUTE).await;
    let waiter = house.find(&id).unwrap();
    assert_eq!((waiter.generation().state(), waiter.generation().task_ids()), (State::InDoubt, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_create_was_given_up_is_not_taken_for_that_of_the_next() {
    let bench = Bench::new();
    let mut bears = Vec::new();
    // Looks come minutes apart: of some bears one falls between the end of the fox and its own.
    for number in 0..20 {
        for wolf in 0..8 {
            // Or the breaker would refuse what comes then.
            let _ = bench.generations.begin(own(&plan(&format!("wolf {number} {wolf}"), 1, &[]))).await;
            after(MINUTE).await;
        }
        bench.fake.script().create_errors = [CallError::Timeout].into();
        let _ = bench.generations.begin(own(&plan(&format!("stone {number}"), 1, &[]))).await;
        after(5 * SECOND).await;
        bench.fake.script().unheard = 1;
        let _ = bench.generations.begin(own(&plan(&format!("fox {number}"), 1, &[]))).await;
        after(25 * SECOND).await;
        bench.fake.script().create_errors = [CallError::Timeout].into();
        bears.extend(bench.generations.begin(own(&plan(&format!("bear {number}"), 1, &[]))).await);
        after(5 * MINUTE).await;
    }
    after(options().replay).await;
    for bear in &bears {
        assert_eq!((bear.generation().state(), bear.generation().task_ids()), (State::Failed, vec![]));
    }
    assert!(bears.len() > 10, "{}", bears.len());
}

/// The prompt of the create that made this task.
fn prompt_of(fake: &Fake, task: &TaskId) -> String {
    let number: usize = task.as_str().rsplit('-').next().unwrap().parse().unwrap();
    let body: serde_json::Value = serde_json::from_str(&fake.script().creates[number - 1]).unwrap();
    body["prompt"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_a_task_that_another_has_made() {
    let mut adopted = 0;
    for seed in 0..20 {
        let mut random = StdRng::seed_from_u64(seed);
        let bench = Bench::new();
        let (mut waiters, mut images, mut lost) = (Vec::new(), 0, 0);
        for number in 0..40 {
            let count = random.random_range(1..=2);
            images += usize::from(count);
            bench.fake.script().creates_take = random.random_range(Duration::ZERO..3 * SECOND);
            match random.random_range(0..10) {
                0..3 => {
                    bench.fake.script().unheard += 1;
                    lost += 1;
                }
                3 => bench.fake.script().create_errors.push_back(CallError::Timeout),
                _ => {}
            }
            let plan = plan(&format!("wish {number}"), count, &[]);
            if let Ok(waiter) = bench.generations.begin(own(&plan)).await {
                waiters.push(waiter);
            }
            after(random.random_range(Duration::ZERO..30 * SECOND)).await;
        }
        after(options().replay + MINUTE).await;
        let mut tasks = Vec::new();
        for generation in waiters.iter().map(Waiter::generation) {
            for task in generation.task_ids() {
                assert_eq!(prompt_of(&bench.fake, &task), generation.plan().task.prompt, "seed {seed}");
                tasks.push(task);
            }
        }
        let found = tasks.len();
        let heard = {
            let script = bench.fake.script();
            script.made.len() + script.unheard - lost
        };
        adopted += found - heard;
        tasks.sort();
        tasks.dedup();
        assert_eq!(tasks.len(), found, "seed {seed}: a task has two owners");
        assert!(bench.creates() <= images, "seed {seed}: something was bought twice");
    }
    assert!(adopted > 100, "most lost answers are found: {adopted}");
}
