//! Pictures from their end to the store and back, with the real client and fetcher against the simulator, on real time.

use std::sync::atomic::Ordering;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::gallery::tests::Fickle;
use super::super::journal::Past;
use super::super::waiter::STORED_PATIENCE;
use super::super::*;
use super::fake::{options, own, plan};
use super::simulated::{simulator, towards};
use crate::fault::Fault;
use crate::media::{PictureStore, StoredPicture};
use crate::simulator::Simulator;
use crate::store::{Engine, EngineJournal};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

struct Bench {
    simulator: Simulator,
    engine: Engine,
    volume: Arc<Fickle>,
    folder: TempDir,
    house: Option<(Generations, JoinSet<()>)>,
}

impl Bench {
    async fn start() -> Self {
        let simulator = simulator().await;
        let (engine, volume) = (Engine::in_memory().unwrap(), Arc::default());
        let mut bench = Self { simulator, engine, volume, folder: TempDir::new().unwrap(), house: None };
        bench.restart().await;
        bench
    }

    /// A new house on the same journal and store.
    async fn restart(&mut self) {
        drop(self.house.take());
        let metrics = Arc::new(Metrics::new());
        let (upstream, watcher, fetcher, mut owner) = towards(&self.simulator, &metrics);
        let clock = Clock::system();
        let store =
            PictureStore::on(self.volume.clone(), self.folder.path().join("images"), u64::MAX, clock.clone());
        let journal = Arc::new(EngineJournal::new(self.engine.clone()));
        let keeping = Keeping { pictures: Some(store), keep: Duration::from_hours(1), ..journal.into() };
        let (generations, bookkeeping) =
            Generations::new(upstream, fetcher, watcher, keeping, options(), metrics, clock);
        owner.spawn(bookkeeping);
        generations.recover().await.unwrap();
        self.house = Some((generations, owner));
    }

    fn generations(&self) -> &Generations {
        &self.house.as_ref().unwrap().0
    }

    async fn begin(&self, prompt: &str, count: u8) -> Result<Waiter, Fault> {
        self.generations().begin(own(&plan(prompt, count, &[]))).await
    }

    fn find(&self, id: &GenerationId) -> Waiter {
        self.generations().find("design", id.as_str()).expect("it is not found")
    }

    /// What the journal has of ended generations.
    async fn past(&self) -> Vec<Past> {
        let journal = EngineJournal::new(self.engine.clone());
        journal.ended(0, None, 100).await.unwrap().records
    }

    /// Waits until the journal has so many stored pictures.
    async fn until_stored(&self, count: usize) {
        let stored = async {
            while self.past().await.iter().map(|past| past.pictures.len()).sum::<usize>() < count {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, stored).await.expect("never stored");
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().join("images")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    fn creates(&self) -> usize {
        self.simulator.ledger().tasks.len()
    }
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// The bytes of all pictures.
async fn answer(mut waiter: Waiter) -> Vec<bytes::Bytes> {
    let finished = waiter.finished(deadline()).await.unwrap();
    let delivered = waiter.pictures(&finished).await.unwrap();
    waiter.answered();
    delivered.images.iter().map(|picture| picture.as_ref().unwrap().bytes().clone()).collect()
}

#[tokio::test]
async fn pictures_nobody_waits_for_are_stored_and_outlive_their_links() {
    let mut bench = Bench::start().await;
    let waiter = bench.begin("a fox", 2).await.unwrap();
    let id = waiter.generation().id().clone();
    waiter.promise(()).await.unwrap();
    bench.until_stored(2).await;
    assert_eq!(bench.files().len(), 2);
    bench.restart().await;
    bench.simulator.script("media:404".parse().unwrap());
    assert_eq!(answer(bench.find(&id)).await.len(), 2, "though no link works");
}

/// What is stored, as an answer with links wants to know it.
async fn stored(waiter: &mut Waiter) -> Vec<Option<StoredPicture>> {
    let finished = waiter.finished(deadline()).await.unwrap();
    waiter.pictures(&finished).await.unwrap();
    waiter.stored(&finished).await
}

#[tokio::test]
async fn an_answer_with_links_waits_until_its_pictures_are_stored() {
    let mut bench = Bench::start().await;
    let mut waiter = bench.begin("a fox", 2).await.unwrap();
    let id = waiter.generation().id().clone();
    let pictures = stored(&mut waiter).await;
    assert_eq!((pictures.iter().flatten().count(), bench.files().len()), (2, 2));
    bench.until_stored(2).await;
    bench.restart().await;
    assert_eq!(stored(&mut bench.find(&id)).await, pictures);
}

#[tokio::test]
async fn an_answer_with_links_does_not_wait_for_what_cannot_be_stored() {
    let bench = Bench::start().await;
    bench.volume.full.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let mut waiter = bench.begin("a fox", 1).await.unwrap();
    assert_eq!(stored(&mut waiter).await, [None]);
    assert!(began.elapsed() < STORED_PATIENCE, "the first try is over");
}

#[tokio::test]
async fn an_answer_with_links_waits_some_seconds_for_a_disk_that_hangs() {
    let bench = Bench::start().await;
    bench.volume.hangs.store(true, Ordering::Relaxed);
    let mut waiter = bench.begin("a fox", 1).await.unwrap();
    let began = Instant::now();
    assert_eq!(stored(&mut waiter).await, [None]);
    let took = began.elapsed();
    bench.volume.hangs.store(false, Ordering::Relaxed);
    assert!((STORED_PATIENCE..STORED_PATIENCE * 2).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_picture_gone_or_damaged_is_fetched_by_its_link_and_stored_again() {
    let bench = Bench::start().await;
    let waiter = bench.begin("a fox", 1).await.unwrap();
    let id = waiter.generation().id().clone();
    let first = answer(waiter).await;
    bench.until_stored(1).await;
    let file = bench.files().pop().unwrap();
    for damage in [true, false] {
        if damage {
            std::fs::write(&file, b"rubbish").unwrap();
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        let whole = async {
            // Asked again each time: a file that goes in the moment of its put is missed by the next look.
            while std::fs::read(&file).ok().as_deref() != Some(&*first[0]) {
                assert_eq!(answer(bench.find(&id)).await, first);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("never stored again");
    }
}

#[tokio::test]
async fn a_full_store_keeps_nobody_from_buying_and_takes_what_was_made_once_it_can() {
    let bench = Bench::start().await;
    bench.volume.full.store(true, Ordering::Relaxed);
    let waiter = bench.begin("a fox", 1).await.unwrap();
    let id = waiter.generation().id().clone();
    let first = answer(waiter).await;
    let known = async {
        while bench.generations().0.gallery.keeps() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.expect("its failed put is not known");
    assert_eq!(
        answer(bench.begin("a bear", 1).await.unwrap()).await.len(),
        1,
        "bought and given from memory"
    );
    assert_eq!(answer(bench.find(&id)).await, first, "by its link");
    assert!(bench.files().is_empty());
    assert!(bench.generations().health().await.images.is_ok(), "it gives what it has");
    bench.volume.full.store(false, Ordering::Relaxed);
    bench.until_stored(2).await;
    assert_eq!((bench.files().len(), bench.creates()), (2, 2));
}

#[tokio::test]
async fn nobody_waits_for_a_slow_disk() {
    let bench = Bench::start().await;
    bench.volume.hangs.store(true, Ordering::Relaxed);
    let waiter = bench.begin("a fox", 1).await.unwrap();
    let id = waiter.generation().id().clone();
    assert_eq!(answer(waiter).await.len(), 1);
    assert_eq!(answer(bench.find(&id)).await.len(), 1, "found by its id while it is being put");
    assert_eq!(bench.past().await[0].pictures.len(), 0);
    bench.volume.hangs.store(false, Ordering::Relaxed);
    bench.generations().put_away().await;
    assert_eq!(bench.past().await[0].pictures.len(), 1, "what is being put is waited for at the end");
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_keep_the_process_from_ending() {
    let bench = Bench::start().await;
    bench.volume.hangs.store(true, Ordering::Relaxed);
    assert_eq!(answer(bench.begin("a fox", 1).await.unwrap()).await.len(), 1);
    let began = Instant::now();
    bench.generations().put_away().await;
    let took = began.elapsed();
    bench.volume.hangs.store(false, Ordering::Relaxed);
    assert!((PUTS_LAST_MAX..PUTS_LAST_MAX * 2).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_picture_that_could_not_be_fetched_is_stored_once_it_can() {
    let bench = Bench::start().await;
    // One fetch is two requests.
    bench.simulator.script("media:503*2".parse().unwrap());
    let waiter = bench.begin("a fox", 1).await.unwrap();
    waiter.promise(()).await.unwrap();
    bench.until_stored(1).await;
    assert_eq!((bench.files().len(), bench.creates()), (1, 1));
}

#[tokio::test]
async fn what_ended_unstored_is_stored_after_the_next_start() {
    let mut bench = Bench::start().await;
    bench.volume.full.store(true, Ordering::Relaxed);
    assert_eq!(answer(bench.begin("a fox", 2).await.unwrap()).await.len(), 2);
    bench.generations().put_away().await;
    assert_eq!(bench.past().await[0].pictures.len(), 0);
    bench.volume.full.store(false, Ordering::Relaxed);
    bench.restart().await;
    bench.until_stored(2).await;
}
