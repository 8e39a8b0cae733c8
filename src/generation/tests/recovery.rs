//! Taking up what an earlier process left, case by case.

use bytes::Bytes;
use jiff::Timestamp;

use super::super::journal::{Admission, Intent, PurchaseId, StoredUpload};
use super::super::*;
use super::fake::{
    Fake, MINUTE, after, house_on, options, own, owner, picture, plan, settlement, soon, wish,
};
use crate::evolink::{CallError, FileId, TaskId, UpstreamKey};
use crate::fault::{Fault, FaultKind};
use crate::image::Plan;
use crate::store::{Engine, EngineJournal};

const SECOND: Duration = Duration::from_secs(1);
/// When the new process starts.
pub(super) const NOW_MS: i64 = 1_800_000_000_000;
const TASK: &str = "task-unified-1-abcdefgh";

/// A journal in which an earlier process has written, and the house that takes it up.
pub(super) struct Bench {
    journal: Arc<EngineJournal>,
    pub fake: Arc<Fake>,
    pub metrics: Arc<Metrics>,
}

pub(super) struct Started {
    pub generations: Generations,
    _loops: tokio::task::JoinSet<()>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        Self { journal, fake: Arc::default(), metrics: Arc::new(Metrics::new()) }
    }

    /// A generation admitted so long ago.
    pub(super) async fn admitted(&self, plan: &Arc<Plan>, id: &str, ago: Duration) -> GenerationId {
        let id = GenerationId::kept(id.to_owned());
        let admission = Admission {
            id: id.clone(),
            owner: owner(plan),
            plan: Arc::clone(plan),
            created_ms: before(ago),
            idempotency_key: None,
            private: false,
            key_name: "ci".into(),
            demands: Vec::new(),
        };
        self.journal.admit(admission, Vec::new()).await.unwrap();
        id
    }

    /// Its image's create was begun so long ago.
    pub(super) async fn begun(&self, generation: &GenerationId, image: u8, ago: Duration) -> PurchaseId {
        self.begin(PurchaseId { generation: generation.clone(), image, attempt: 0 }, ago).await
    }

    /// Another attempt at its first image.
    pub(super) async fn begun_again(
        &self,
        generation: &GenerationId,
        attempt: u32,
        ago: Duration,
    ) -> PurchaseId {
        self.begin(PurchaseId { generation: generation.clone(), image: 0, attempt }, ago).await
    }

    async fn begin(&self, purchase: PurchaseId, ago: Duration) -> PurchaseId {
        let (generation, image) = (&purchase.generation, purchase.image);
        let key = UpstreamKey::kept(format!("eg-{generation}-{image}"));
        let body = Bytes::from(format!("the very bytes of {image}"));
        let intent = Intent { purchase: purchase.clone(), key, body, begun_ms: before(ago) };
        self.journal.begin(intent).await.unwrap();
        purchase
    }

    pub(super) async fn note(&self, note: Note) {
        self.journal.note(Arc::from([note])).await.unwrap();
    }

    pub(super) async fn start(&self) -> Started {
        self.start_with(options()).await
    }

    pub(super) async fn start_with(&self, options: Options) -> Started {
        let upstream: Arc<dyn Upstream> = self.fake.clone();
        let clock = Clock::going_from(Timestamp::from_millisecond(NOW_MS).unwrap());
        let (generations, loops) = house_on(self.journal.clone(), upstream, options, &self.metrics, clock);
        generations.recover().await.unwrap();
        Started { generations, _loops: loops }
    }

    fn recovered(&self, count: usize) -> bool {
        self.metrics.render().contains(&format!("evolink_gateway_recovered_generations_total {count}"))
    }

    pub(super) async fn unfinished(&self) -> usize {
        self.journal.unfinished(0, 100).await.unwrap().records.len()
    }
}

impl Started {
    pub(super) fn find(&self, id: &GenerationId) -> Option<Waiter> {
        self.generations.find("design", id.as_str())
    }

    pub(super) async fn repeat(&self, plan: &Arc<Plan>) -> Waiter {
        self.generations.begin(own(plan)).await.unwrap()
    }
}

fn before(ago: Duration) -> i64 {
    NOW_MS - i64::try_from(ago.as_millis()).unwrap()
}

pub(super) fn task_of(purchase: PurchaseId, task: &str) -> Note {
    Note::Task { purchase, task: TaskId::new(task), reserved: None }
}

#[tokio::test(start_paused = true)]
async fn a_known_task_is_watched_again_and_answers_the_repetition() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    let id = bench.admitted(&fox, "gen_1", 30 * SECOND).await;
    let purchase = bench.begun(&id, 0, 29 * SECOND).await;
    bench.note(task_of(purchase, TASK)).await;
    bench.fake.knows(TASK, 10 * SECOND);
    let house = bench.start().await;
    let mut waiter = house.repeat(&fox).await;
    assert!(waiter.joined() && waiter.generation().id() == &id && bench.recovered(1));
    assert_eq!(waiter.generation().created_unix(), before(30 * SECOND) / 1000);
    let finished = waiter.finished(soon()).await.unwrap();
    assert_eq!(finished.images[0].as_ref().unwrap().task.as_str(), TASK);
    assert!(bench.fake.script().creates.is_empty());
    after(SECOND).await;
    assert_eq!(bench.unfinished().await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_create_is_asked_again_with_its_key_and_its_bytes() {
    let bench = Bench::new();
    let id = bench.admitted(&plan("a fox", 2, &[]), "gen_1", 50 * MINUTE).await;
    bench.begun(&id, 1, 49 * MINUTE).await;
    bench.fake.script().create_errors = [CallError::Timeout, CallError::Timeout].into();
    let house = bench.start().await;
    let finished = house.find(&id).unwrap().finished(soon()).await.unwrap();
    assert_eq!(finished.images.iter().flatten().count(), 2);
    let script = bench.fake.script();
    let again = script.keys.iter().zip(&script.creates).filter(|(key, _)| *key == "eg-gen_1-1");
    assert_eq!(again.map(|(_, body)| body.as_str()).collect::<Vec<_>>(), ["the very bytes of 1"; 2]);
    assert_eq!(script.creates.len(), 4, "the image that had not begun is bought too");
}

#[tokio::test(start_paused = true)]
async fn a_create_older_than_the_window_stays_in_doubt_until_replay_is_over() {
    let bench = Bench::new();
    let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", 61 * MINUTE).await;
    bench.begun(&id, 0, 61 * MINUTE).await;
    let house = bench.start().await;
    after(MINUTE).await;
    let waiter = house.find(&id).unwrap();
    assert_eq!(waiter.generation().state(), State::InDoubt);
    after(options().replay.saturating_sub(3 * 60 * MINUTE / 2)).await;
    assert_eq!((waiter.generation().state(), bench.unfinished().await), (State::InDoubt, 1));
    after(60 * MINUTE).await;
    assert_eq!((waiter.generation().state(), bench.unfinished().await), (State::Failed, 0));
    assert!(bench.fake.script().creates.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_had_bought_nothing_is_dropped_unless_it_was_promised() {
    let bench = Bench::new();
    let (fox, bear) = (plan("a fox", 1, &[]), plan("a bear", 1, &[]));
    let dropped = bench.admitted(&fox, "gen_1", SECOND).await;
    let promised = bench.admitted(&bear, "gen_2", SECOND).await;
    bench.note(Note::Promised { generation: promised.clone() }).await;
    let house = bench.start().await;
    assert!(house.find(&dropped).is_none() && bench.recovered(1));
    assert_eq!(bench.unfinished().await, 1);
    assert!(house.find(&promised).unwrap().finished(soon()).await.is_ok());
    assert_eq!(bench.fake.script().creates.len(), 1);
    assert!(!house.repeat(&bear).await.joined(), "a promise answers by its id alone");
}

#[tokio::test(start_paused = true)]
async fn what_ended_answers_by_its_id_and_counts_as_undelivered_within_its_age() {
    let bench = Bench::new();
    let (fox, bear) = (plan("a fox", 1, &[]), plan("a bear", 1, &[]));
    let young = bench.admitted(&fox, "gen_1", 10 * MINUTE).await;
    let old = bench.admitted(&bear, "gen_2", 20 * MINUTE).await;
    for (generation, ago) in [(&young, 9 * MINUTE), (&old, 19 * MINUTE)] {
        let link = "https://media.test/a.png".to_owned();
        let made = MadeImage { task: TaskId::new(TASK), link, credits: fox.price };
        let (generation, ended_ms) = (generation.clone(), before(ago));
        let created = ended_ms / 1000;
        bench
            .note(Note::Finished {
                generation,
                created,
                ended_ms,
                images: vec![Ok(made)],
                settlement: settlement(),
                shared: None,
            })
            .await;
    }
    let house = bench.start().await;
    let mut waiter = house.repeat(&fox).await;
    assert!(waiter.joined() && waiter.generation().id() == &young);
    let finished = waiter.finished(soon()).await.unwrap();
    assert_eq!((finished.created, finished.credits()), (before(9 * MINUTE) / 1000, fox.price));
    assert_eq!(waiter.generation().task_ids(), [TaskId::new(TASK)]);
    waiter.answered();
    assert!(!house.repeat(&fox).await.joined(), "it is delivered now");
    assert!(!house.repeat(&bear).await.joined(), "it is too old");
    assert_eq!(house.find(&old).unwrap().generation().state(), State::Done);
    after(options().replay.saturating_sub(15 * MINUTE)).await;
    assert!(house.find(&young).is_some() && house.find(&old).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_task_counts_from_its_create() {
    let bench = Bench::new();
    let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", 51 * SECOND).await;
    let purchase = bench.begun(&id, 0, 50 * SECOND).await;
    bench.note(task_of(purchase, TASK)).await;
    bench.fake.knows(TASK, 5 * MINUTE);
    let house = bench.start().await;
    let began = Instant::now();
    let mut waiter = house.find(&id).unwrap();
    assert_eq!(waiter.finished(soon()).await.unwrap_err().kind(), FaultKind::TaskTimeout);
    assert_eq!(began.elapsed().as_secs(), 10);
    after(10 * MINUTE).await;
    assert_eq!(waiter.generation().state(), State::Done, "it was still looked at");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ended_in_a_standstill_longer_than_replay_is_still_noticed() {
    let bench = Bench::new();
    let id = bench.admitted(&plan("a fox", 1, &[]), "gen_1", 3 * options().replay).await;
    let purchase = bench.begun(&id, 0, 3 * options().replay).await;
    bench.note(task_of(purchase, TASK)).await;
    bench.fake.knows(TASK, Duration::ZERO);
    let house = bench.start().await;
    after(MINUTE).await;
    assert_eq!(house.find(&id).unwrap().generation().state(), State::Done);
}

#[tokio::test(start_paused = true)]
async fn what_ended_in_a_standstill_answers_who_asks_before_it_is_looked_at() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    let id = bench.admitted(&fox, "gen_1", 20 * MINUTE).await;
    let purchase = bench.begun(&id, 0, 20 * MINUTE).await;
    bench.note(task_of(purchase, TASK)).await;
    bench.fake.knows(TASK, Duration::ZERO);
    bench.fake.script().looks_take = SECOND;
    let house = bench.start().await;
    after(SECOND / 2).await;
    let mut waiter = house.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
    assert!(waiter.joined() && waiter.finished(soon()).await.is_ok());
    assert!(bench.fake.script().creates.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_is_not_found_but_cancelled_and_watched() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[]);
    let id = bench.admitted(&fox, "gen_1", MINUTE).await;
    let purchase = bench.begun(&id, 0, 10 * SECOND).await;
    bench.note(task_of(purchase, TASK)).await;
    bench.note(Note::Withdrawn { generation: id.clone() }).await;
    bench.fake.knows(TASK, MINUTE);
    let house = bench.start().await;
    assert!(house.find(&id).is_none());
    after(30 * SECOND).await;
    assert_eq!(bench.fake.script().cancels.len(), 1);
    assert_eq!(bench.unfinished().await, 0);
    assert!(!house.repeat(&fox).await.joined());
}

#[tokio::test(start_paused = true)]
async fn uploads_of_the_living_are_kept_and_those_of_the_ended_deleted() {
    let bench = Bench::new();
    let file = picture("a sketch");
    let with = |prompt| plan(prompt, 1, std::slice::from_ref(&file));
    let living = bench.admitted(&with("a fox"), "gen_1", MINUTE).await;
    bench.note(Note::Promised { generation: living.clone() }).await;
    let gone = bench.admitted(&with("a bear"), "gen_2", MINUTE).await;
    for (generation, name) in [(&living, "used"), (&gone, "used"), (&gone, "idle")] {
        let content = if name == "idle" { *picture("other").picture() } else { *file.picture() }.content;
        let url = format!("https://files.test/{name}");
        let expires_ms = NOW_MS + 3_600_000;
        let upload = StoredUpload { content, file: Some(FileId::new(name)), url, expires_ms };
        bench.note(Note::Uploaded { generation: generation.clone(), upload }).await;
    }
    let house = bench.start().await;
    after(SECOND).await;
    assert_eq!(bench.fake.script().deletions, ["idle"]);
    assert!(bench.fake.script().creates[0].contains("https://files.test/used"));
    assert!(house.find(&living).unwrap().finished(soon()).await.is_ok());
    after(SECOND).await;
    assert_eq!(bench.fake.script().deletions, ["idle", "used"]);
    assert!(bench.fake.script().uploads.is_empty());
    assert!(bench.journal.idle_files(10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_promise_whose_pictures_were_lost_fails_and_says_so() {
    let bench = Bench::new();
    let fox = plan("a fox", 1, &[picture("a sketch")]);
    let id = bench.admitted(&fox, "gen_1", MINUTE).await;
    bench.note(Note::Promised { generation: id.clone() }).await;
    let house = bench.start().await;
    let fault = house.find(&id).unwrap().finished(soon()).await.unwrap_err();
    assert_eq!((fault.status(), fault.should_retry()), (503, true));
    assert!(fault.message().contains("restarted"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_had_ended_is_not_made_again() {
    let bench = Bench::new();
    let id = bench.admitted(&plan("a fox", 2, &[]), "gen_1", MINUTE).await;
    let (first, second) = (bench.begun(&id, 0, SECOND).await, bench.begun(&id, 1, SECOND).await);
    let failed = Fault::new(FaultKind::Moderation, "no");
    bench.note(Note::Ended { purchase: first, result: Err(failed) }).await;
    bench.note(task_of(second, TASK)).await;
    bench.fake.knows(TASK, SECOND);
    let house = bench.start().await;
    let finished = house.find(&id).unwrap().finished(soon()).await.unwrap();
    assert_eq!(finished.images[0].as_ref().unwrap_err().kind(), FaultKind::Moderation);
    assert!(finished.images[1].is_ok() && bench.fake.script().creates.is_empty());
}
