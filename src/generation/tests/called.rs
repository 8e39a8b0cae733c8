//! Creates that ask for a callback, in this process and the next one.

use jiff::Timestamp;

use super::super::*;
use super::fake::{Fake, after, house_on, options, own, plan, soon};
use crate::evolink::{CallError, CallbackToken, UpstreamKey};
use crate::store::{Engine, EngineJournal};

const SECOND: Duration = Duration::from_secs(1);
const BASE: &str = "https://images.example.com";

fn calling_back() -> Options {
    Options { callback_base: Some(BASE.into()), ..options() }
}

fn token(key: &str) -> CallbackToken {
    CallbackToken::of(&UpstreamKey::kept(key.to_owned()))
}

/// A journal, its upstream and a clock that outlive a house.
struct World {
    journal: Arc<EngineJournal>,
    fake: Arc<Fake>,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        let clock = Clock::going_from(Timestamp::from_second(1_800_000_000).unwrap());
        Self { journal, fake: Arc::default(), clock }
    }

    fn house(&self, options: Options) -> (Generations, tokio::task::JoinSet<()>) {
        let metrics = Arc::new(Metrics::new());
        house_on(self.journal.clone(), self.fake.clone(), options, &metrics, self.clock.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn each_create_carries_its_own_callback_and_is_repeated_with_it() {
    let world = World::new();
    let (generations, _loops) = world.house(calling_back());
    world.fake.script().create_errors = [CallError::Timeout].into();
    let foxes = plan("two foxes", 2, &[]);
    let mut waiter = generations.begin(own(&foxes)).await.unwrap();
    waiter.finished(soon()).await.unwrap();
    let script = world.fake.script();
    assert_eq!(script.creates.len(), 3);
    for (key, body) in script.keys.iter().zip(&script.creates) {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["callback_url"], token(key).url(BASE));
        assert_eq!(body["prompt"], "two foxes");
    }
    let mut bodies = script.creates.clone();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 2, "the repeated one has the same bytes");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_bought_again_calls_back_under_its_own_token_alone() {
    let world = World::new();
    let (generations, _loops) = world.house(calling_back());
    world.fake.script().failures = ["service_error"].into();
    let mut waiter = generations.begin(own(&plan("a fox", 1, &[]))).await.unwrap();
    waiter.finished(soon()).await.unwrap();
    let script = world.fake.script();
    assert_eq!(script.creates.len(), 2);
    for (key, body) in script.keys.iter().zip(&script.creates) {
        assert_eq!(body.matches("callback_url").count(), 1, "{body}");
        assert!(body.contains(&token(key).to_string()), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_base_no_create_asks_for_a_callback() {
    let world = World::new();
    let (generations, _loops) = world.house(options());
    let fox = plan("a fox", 1, &[]);
    let mut waiter = generations.begin(own(&fox)).await.unwrap();
    waiter.finished(soon()).await.unwrap();
    assert!(!world.fake.script().creates[0].contains("callback"));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_callbacks_of_running_tasks_wake_them_again() {
    for (woken, expected) in [(true, 1600..1700), (false, 3000..3200)] {
        let world = World::new();
        world.fake.script().tasks_take = [SECOND * 3 / 2].into();
        let began = tokio::time::Instant::now();
        let (generations, loops) = world.house(calling_back());
        let fox = plan("a fox", 1, &[]);
        let waiter = generations.begin(own(&fox)).await.unwrap();
        let id = waiter.generation().id().to_string();
        after(SECOND).await;
        drop((waiter, generations, loops));
        let (generations, _loops) = world.house(calling_back());
        generations.recover().await.unwrap();
        let mut waiter = generations.find("design", &id).unwrap();
        after(SECOND * 3 / 5).await;
        if woken {
            generations.wake(&token(&world.fake.script().keys[0]));
        }
        waiter.finished(soon()).await.unwrap();
        let took = began.elapsed().as_millis();
        assert!(expected.contains(&took), "woken: {woken}, {took} ms");
        assert_eq!(world.fake.script().creates.len(), 1);
    }
}
