//! The gallery on paused time: pictures at hand, a disk that may fail.

use std::io::{self, Cursor, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::{ImageFormat, RgbImage};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::cache::{RuleBook, Rules};
use crate::evolink::TaskId;
use crate::fault::{Fault, FaultKind};
use crate::generation::GenerationId;
use crate::generation::journal::Journal;
use crate::generation::model::MadeImage;
use crate::generation::pictures::Asked;
use crate::generation::results::Cache;
use crate::generation::tests::fake::Fake;
use crate::media::{FetchOptions, Volume};
use crate::money::Credits;
use crate::store::{Engine, EngineJournal};
use crate::telemetry::Metrics;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The real disk, unless it is full.
#[derive(Debug, Default)]
pub(in crate::generation) struct Fickle {
    pub full: AtomicBool,
    /// It fails.
    pub broken: AtomicBool,
    /// It does not answer.
    pub hangs: AtomicBool,
    /// Longer files do not fit; 0: all do.
    pub file_max: AtomicUsize,
    pub tries: AtomicUsize,
}

impl Volume for Fickle {
    fn create(&self, path: &Path) -> io::Result<std::fs::File> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::Error::other("broken"));
        }
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        std::fs::OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write(&self, mut file: &std::fs::File, bytes: &[u8]) -> io::Result<()> {
        let most = self.file_max.load(Ordering::Relaxed);
        if most > 0 && bytes.len() > most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all(bytes)
    }
}

struct Bench {
    gallery: Arc<Gallery>,
    volume: Arc<Fickle>,
    metrics: Arc<Metrics>,
    pictures: Arc<Pictures>,
    finished: Finished,
    delivered: Arc<Delivered>,
    folder: TempDir,
    _loops: JoinSet<()>,
}

fn memory() -> PictureMemory {
    PictureMemory::new(256 * 1024 * 1024)
}

/// Behind a link that is refused without asking anybody.
fn made(number: usize) -> MadeImage {
    let task = TaskId::new(format!("task-unified-1-{number:08}"));
    MadeImage { task, link: "https://127.0.0.1/a.png".into(), credits: Credits::from_micro(1) }
}

fn picture(side: u32) -> Picture {
    let mut file = Cursor::new(Vec::new());
    RgbImage::new(side, side).write_to(&mut file, ImageFormat::Png).unwrap();
    Picture::read(file.into_inner().into()).unwrap()
}

impl Bench {
    /// A generation that has ended with so many pictures, all in memory.
    fn new(count: usize) -> Self {
        Self::bounded(count, u64::MAX)
    }

    /// With a store that may hold so many bytes.
    fn bounded(count: usize, max_bytes: u64) -> Self {
        let (folder, volume) = (TempDir::new().unwrap(), Arc::new(Fickle::default()));
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
        let store = PictureStore::on(volume.clone(), folder.path().join("images"), max_bytes, clock.clone());
        let store = store.counted(Arc::clone(&metrics));
        let journal: Arc<dyn Journal> = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        let (scribe, writing) = Scribe::new(journal, no_cache());
        let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
        let upstream: Arc<dyn Upstream> = Arc::new(Fake::default());
        let keep = Duration::from_hours(1);
        let (gallery, bookkeeping) =
            Gallery::new(upstream, fetcher, scribe, memory(), Some((store, keep)), clock);
        let mut loops = JoinSet::new();
        loops.spawn(writing);
        loops.spawn(bookkeeping);
        let pictures = Pictures::of(GenerationId::kept("gen_1".into()));
        let images = (0..count).map(made).map(Ok).collect();
        let finished = Finished { created: 0, images, timing: crate::generation::Timing::default() };
        let found = (1..).take(count).map(|side| Ok(picture(side).into())).collect();
        let delivered = Arc::new(Delivered::new(found, Duration::ZERO));
        Self { gallery, volume, metrics, pictures, finished, delivered, folder, _loops: loops }
    }

    async fn keep(&self) {
        self.gallery.keep(&self.pictures, &self.finished, &self.delivered).await;
    }

    /// Puts that failed for this reason.
    fn failures(&self, reason: &str) -> u64 {
        let text = self.metrics.render();
        let head =
            format!(r#"evolink_gateway_picture_store_failures_total{{operation="put",reason="{reason}"}} "#);
        text.lines().find_map(|line| line.strip_prefix(&head)?.parse().ok()).unwrap()
    }

    fn stored(&self) -> Vec<bool> {
        (0..self.finished.images.len())
            .map(|index| self.pictures.stored(u8::try_from(index).unwrap()).is_some())
            .collect()
    }

    /// Waits until so many pictures are stored. Time is paused: it goes on while nothing else does.
    async fn until_stored(&self, count: usize) {
        let stored = async {
            while self.stored().iter().filter(|stored| **stored).count() < count {
                tokio::time::sleep(SECOND).await;
            }
        };
        tokio::time::timeout(Duration::from_hours(30), stored).await.expect("never stored");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pictures_of_an_end_are_put_and_found_again() {
    let bench = Bench::new(3);
    bench.keep().await;
    assert_eq!(bench.stored(), [true; 3]);
    let found = bench.gallery.find_all(&bench.pictures, &bench.finished.images, Asked::First).await;
    assert_eq!(found.images.iter().flatten().count(), 3, "though their links lead nowhere");
    let tries = bench.volume.tries.load(Ordering::Relaxed);
    bench.keep().await;
    assert_eq!(bench.volume.tries.load(Ordering::Relaxed), tries, "what is stored is not put again");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_again_is_read_once_and_shared_and_what_is_fresh_does_not_stay() {
    let bench = Bench::new(2);
    bench.keep().await;
    let find = async |asked| bench.gallery.find_all(&bench.pictures, &bench.finished.images, asked).await;
    drop(find(Asked::First).await);
    assert_eq!(bench.gallery.memory.hot_bytes(), 0);
    let all = join_all((0..1000).map(|_| find(Asked::Again))).await;
    let places = |found: &Delivered| -> Vec<_> {
        found.images.iter().map(|picture| picture.as_ref().unwrap().bytes().as_ptr()).collect()
    };
    let first = places(&all[0]);
    assert!(all.iter().all(|found| places(found) == first), "one copy");
    assert!(bench.gallery.memory.hot_bytes() > 0);
    std::fs::remove_dir_all(bench.folder.path()).unwrap();
    assert_eq!(places(&find(Asked::Again).await), first, "read from memory");
}

#[tokio::test(start_paused = true)]
async fn the_store_hears_of_pictures_that_are_read_from_memory_only() {
    let bench = Bench::new(1);
    bench.keep().await;
    let find = async || bench.gallery.find_all(&bench.pictures, &bench.finished.images, Asked::Again).await;
    drop(find().await);
    let stored = bench.pictures.stored(0).unwrap();
    let hash = stored.content.to_string();
    let name = format!("{}/{}/{hash}.png", &hash[..2], &hash[2..4]);
    let file = std::fs::File::open(bench.folder.path().join("images").join(name)).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + MINUTE;
    let times = std::fs::FileTimes::new().set_accessed(old).set_modified(old);
    file.set_times(times).unwrap();
    let used = || file.metadata().unwrap().accessed().unwrap();
    drop(find().await);
    bench.gallery.put_all().await;
    assert_eq!(used(), old, "it was read just now");
    tokio::time::advance(5 * MINUTE).await;
    drop(find().await);
    bench.gallery.put_all().await;
    assert!(used() > old && file.metadata().unwrap().modified().unwrap() == old, "a use, and no put");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_asked_by_trials_until_one_works_and_then_takes_what_was_made() {
    let bench = Bench::new(2);
    assert!(bench.gallery.keeps());
    bench.volume.full.store(true, Ordering::Relaxed);
    bench.pictures.remember(&bench.delivered);
    bench.keep().await;
    assert_eq!((bench.stored(), bench.gallery.keeps()), (vec![false; 2], false));
    assert_eq!(
        bench.gallery.works().await,
        Ok(()),
        "what is stored is given, what is made goes out from memory"
    );
    bench.keep().await;
    assert_eq!(bench.failures("full"), 4, "each put that failed or was not tried");
    let tries = bench.volume.tries.load(Ordering::Relaxed);
    tokio::time::sleep(MINUTE).await;
    assert!(!bench.gallery.keeps() && bench.stored() == [false; 2]);
    let trials = bench.volume.tries.load(Ordering::Relaxed) - tries;
    assert!((10..=25).contains(&trials), "{trials} trials in a minute, and no put");
    bench.volume.full.store(false, Ordering::Relaxed);
    bench.until_stored(2).await;
    assert!(bench.gallery.keeps());
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_room_for_a_picture_keeps_none_until_it_has_room_for_one() {
    let mut bench = Bench::new(1);
    let noise = RgbImage::from_fn(800, 800, |x, y| {
        let mixed = (x * 7919 + y).wrapping_mul(2_654_435_761).to_be_bytes();
        image::Rgb([mixed[0], mixed[1], mixed[2]])
    });
    let mut file = Cursor::new(Vec::new());
    noise.write_to(&mut file, ImageFormat::Png).unwrap();
    let large = Picture::read(file.into_inner().into()).unwrap();
    assert!(large.bytes().len() > 1024 * 1024 + 1024, "{}", large.bytes().len());
    bench.delivered = Arc::new(Delivered::new(vec![Ok(large.into())], Duration::ZERO));
    bench.pictures.remember(&bench.delivered);
    bench.volume.file_max.store(1024 * 1024 + 1024, Ordering::Relaxed);
    bench.keep().await;
    for _ in 0..60 {
        tokio::time::sleep(SECOND).await;
        assert!(!bench.gallery.keeps(), "it would go on and stop every few seconds");
    }
    bench.volume.file_max.store(0, Ordering::Relaxed);
    bench.until_stored(1).await;
    assert!(bench.gallery.keeps());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_this_machines_own_failure_also_when_it_was_full_before() {
    let bench = Bench::new(1);
    bench.volume.full.store(true, Ordering::Relaxed);
    bench.pictures.remember(&bench.delivered);
    bench.keep().await;
    assert_eq!(bench.gallery.works().await, Ok(()));
    bench.volume.broken.store(true, Ordering::Relaxed);
    tokio::time::sleep(MINUTE).await;
    assert!(bench.gallery.works().await.unwrap_err().contains("failed"));
    bench.volume.broken.store(false, Ordering::Relaxed);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((bench.gallery.works().await, bench.gallery.keeps()), (Ok(()), false), "full again");
    bench.volume.full.store(false, Ordering::Relaxed);
    bench.until_stored(1).await;
}

#[tokio::test(start_paused = true)]
async fn pictures_past_the_bound_go_before_the_next_round_is_due() {
    let bench = Bench::bounded(3, 160);
    let store = bench.gallery.disk.as_ref().unwrap().store();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(store.held(), Some(0), "the first round has ended");
    bench.keep().await;
    assert_eq!(bench.stored(), [true; 3]);
    assert!(store.held().unwrap() > 160, "a put waits for nothing");
    tokio::time::sleep(SECOND * 10).await;
    assert!(store.held().unwrap() <= 160, "{:?}", store.held());
}

#[tokio::test(start_paused = true)]
async fn a_picture_larger_than_the_store_is_given_up_and_stops_no_other() {
    let bench = Bench::bounded(2, 75);
    let lengths: Vec<_> =
        bench.delivered.images.iter().flatten().map(|picture| picture.bytes().len()).collect();
    assert!(lengths[0] <= 75 && lengths[1] > 75, "{lengths:?}");
    bench.keep().await;
    assert_eq!((bench.stored(), bench.gallery.keeps()), (vec![true, false], true));
    assert_eq!(bench.failures("too_large"), 1);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(bench.failures("too_large"), 1, "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn pictures_that_cannot_be_fetched_do_not_make_the_next_ones_look_small() {
    let bench = Bench::new(2);
    let usual = bench.gallery.memory.guess(1);
    let found = bench.gallery.find_all(&bench.pictures, &bench.finished.images, Asked::First).await;
    assert!(found.images.iter().all(Result::is_err));
    assert_eq!(bench.gallery.memory.guess(1), usual);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_cannot_be_fetched_is_tried_until_its_link_is_dead() {
    let bench = Bench::new(1);
    let lost = Err(Fault::new(FaultKind::ResultUnavailable, "gone"));
    bench.gallery.keep(&bench.pictures, &bench.finished, &Delivered::new(vec![lost], SECOND)).await;
    tokio::time::sleep(Duration::from_hours(23)).await;
    assert_eq!(bench.stored(), [false]);
    bench.pictures.remember(&bench.delivered);
    bench.until_stored(1).await;

    let late = Bench::new(1);
    let lost = Err(Fault::new(FaultKind::ResultUnavailable, "gone"));
    late.gallery.keep(&late.pictures, &late.finished, &Delivered::new(vec![lost], SECOND)).await;
    tokio::time::sleep(Duration::from_hours(25)).await;
    late.pictures.remember(&late.delivered);
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(late.stored(), [false], "it was given up");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_stored_on_its_own_while_its_sibling_goes_on() {
    let bench = Bench::new(2);
    bench.pictures.remember(&bench.delivered);
    let so_far = MadeSoFar::default();
    so_far.note(1, &bench.finished.images[1]);
    let sibling = tokio::time::sleep(Duration::from_hours(20));
    let quick = bench.gallery.beside(&bench.pictures, &so_far, tokio::time::sleep(MINUTE));
    quick.await;
    assert_eq!(bench.stored(), [false; 2], "an end that comes soon stores all at once");
    tokio::select! {
        () = bench.gallery.beside(&bench.pictures, &so_far, sibling) => panic!("never stored"),
        () = bench.until_stored(1) => {}
    }
    assert_eq!(bench.stored(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_unstored_is_stored_while_its_link_lives() {
    let bench = Bench::new(2);
    bench.pictures.remember(&bench.delivered);
    bench.gallery.catch_up(&bench.pictures, &bench.finished, Duration::from_hours(25));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.stored(), [false; 2]);
    bench.gallery.catch_up(&bench.pictures, &bench.finished, Duration::from_hours(23));
    bench.until_stored(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_without_leave_to_write_takes_nothing() {
    let clock = Clock::system();
    // Never writable, also for root.
    let store = PictureStore::in_folder("/proc/self/images".into(), u64::MAX, clock.clone());
    let journal: Arc<dyn Journal> = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
    let (scribe, _writing) = Scribe::new(journal, no_cache());
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    let upstream: Arc<dyn Upstream> = Arc::new(Fake::default());
    let (gallery, _bookkeeping) =
        Gallery::new(upstream, fetcher, scribe, memory(), Some((store, MINUTE)), clock);
    assert!(gallery.works().await.is_err());
}

fn no_cache() -> Arc<Cache> {
    Arc::new(Cache::new(RuleBook::for_all(Rules::default()), true))
}
