//! `max_bytes`: what goes, what stays, and who is never made to wait or fail for it. On the real clock, since reading a
//! file may date it by that.

use std::fs::{FileTimes, Metadata};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

use proptest::prelude::*;

use super::crashes::Scripted;
use super::*;

const KEEP: Duration = Duration::from_hours(1000);
const HOUR: Duration = Duration::from_hours(1);

fn bounded(folder: &Path, max_bytes: u64) -> PictureStore {
    PictureStore::in_folder(folder.to_owned(), max_bytes, Clock::system())
}

fn now() -> Timestamp {
    Clock::system().now()
}

fn bytes(sides: &[u32]) -> u64 {
    sides.iter().map(|side| u64::try_from(picture(*side).bytes().len()).unwrap()).sum()
}

fn age(folder: &Path, side: u32, put: Duration, used: Duration) {
    let now = SystemTime::from(now());
    let times = FileTimes::new().set_modified(now - put).set_accessed(now - used);
    fs::File::open(path_of(folder, &picture(side))).unwrap().set_times(times).unwrap();
}

fn dates(folder: &Path, side: u32) -> Metadata {
    fs::metadata(path_of(folder, &picture(side))).unwrap()
}

/// The runs of a whole round, added up.
async fn round(store: &PictureStore) -> Swept {
    let mut all = Swept::default();
    while !all.round_ended {
        let run = store.sweep(now(), KEEP).await.unwrap();
        all.pictures += run.pictures;
        all.for_room += run.for_room;
        all.bytes += run.bytes;
        all.failed += run.failed;
        (all.round_ended, all.too_much) = (run.round_ended, run.too_much);
    }
    all
}

fn left(folder: &Path, sides: &[u32]) -> Vec<u32> {
    sides.iter().copied().filter(|side| path_of(folder, &picture(*side)).exists()).collect()
}

/// A store unbounded so far, with pictures of these sides, each an hour younger than the one before.
async fn filled(folder: &Path, sides: &[u32]) {
    let store = bounded(folder, u64::MAX);
    for (side, younger) in sides.iter().zip(0..) {
        store.put(picture(*side)).await.unwrap();
        age(folder, *side, (100 - younger) * HOUR, (100 - younger) * HOUR);
    }
}

#[tokio::test]
async fn of_too_many_pictures_those_unused_longest_go() {
    let (folder, sides) = (folder(), [40, 41, 42, 43, 44, 45]);
    filled(folder.path(), &sides).await;
    let store = bounded(folder.path(), bytes(&[40, 41, 44, 45]));
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
    let png = Format::Png;
    assert!(store.touch(&ContentHash::of(picture(41).bytes()), png).await.unwrap());
    assert!(store.contains(&ContentHash::of(picture(42).bytes()), png).await.unwrap(), "and that is no use");
    let swept = round(&store).await;
    assert_eq!((swept.pictures, swept.for_room, swept.too_much), (0, 3, false), "down to nine tenths");
    assert_eq!(left(folder.path(), &sides), [40, 41, 45]);
    assert_eq!((swept.bytes, store.held()), (bytes(&[42, 43, 44]), Some(bytes(&[40, 41, 45]))));
    assert_eq!(round(&store).await.for_room, 0, "it holds what it may");
}

#[tokio::test]
async fn a_use_changes_no_age_and_is_noted_once_in_five_minutes() {
    let folder = folder();
    filled(folder.path(), &[40]).await;
    let (store, put) = (bounded(folder.path(), u64::MAX), dates(folder.path(), 40).modified().unwrap());
    got(&store, &picture(40)).await.unwrap();
    let noted = dates(folder.path(), 40);
    assert!(noted.accessed().unwrap().elapsed().unwrap() < HOUR);
    assert_eq!(noted.modified().unwrap(), put);

    let used = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&used);
    let noting = Scripted::volume(move |step, _| {
        counter.fetch_add(usize::from(step == "set_used"), Ordering::SeqCst);
        Ok(())
    });
    let store = PictureStore::on(noting, folder.path().to_owned(), u64::MAX, Clock::system());
    for (ago, times) in [(1, 0), (4, 0), (6, 1)] {
        age(folder.path(), 40, 100 * HOUR, Duration::from_mins(ago));
        got(&store, &picture(40)).await.unwrap();
        assert_eq!(used.load(Ordering::SeqCst), times, "last used {ago} minutes ago");
    }
    // put a moment ago: nothing to note
    age(folder.path(), 40, Duration::ZERO, 100 * HOUR);
    got(&store, &picture(40)).await.unwrap();
    assert_eq!(used.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_is_no_failure() {
    let folder = folder();
    filled(folder.path(), &[40]).await;
    let read_only = Scripted::volume(|_, _| Err(std::io::ErrorKind::ReadOnlyFilesystem.into()));
    let store = PictureStore::on(read_only, folder.path().to_owned(), u64::MAX, Clock::system());
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_put_past_the_bound_succeeds_and_asks_for_a_sweep() {
    let folder = folder();
    let store = bounded(folder.path(), bytes(&[40, 41]));
    store.put(picture(40)).await.unwrap();
    assert_eq!(store.held(), None, "nothing has been counted");
    round(&store).await;
    assert_eq!(store.held(), Some(bytes(&[40])));
    age(folder.path(), 40, HOUR, HOUR);
    store.put(picture(41)).await.unwrap();
    let pressed = store.pressed();
    tokio::select! {
        biased;
        () = pressed => panic!("it is just full"),
        () = std::future::ready(()) => {}
    }
    store.put(picture(42)).await.unwrap();
    store.put(picture(42)).await.unwrap();
    store.pressed().await;
    assert_eq!(store.held(), Some(bytes(&[40, 41, 42])), "the second time it was there");
    assert_eq!(left(folder.path(), &[40, 41, 42]), [40, 41, 42]);
    assert_eq!((round(&store).await.for_room, left(folder.path(), &[40])), (2, vec![]));
}

#[tokio::test]
async fn a_restart_finds_what_there_is() {
    let (folder, sides) = (folder(), [40, 41, 42]);
    filled(folder.path(), &sides).await;
    let store = bounded(folder.path(), u64::MAX);
    round(&store).await;
    assert_eq!(store.held(), Some(bytes(&sides)));
    fs::write(path_of(folder.path(), &picture(40)), b"rubbish").unwrap();
    assert_eq!(got(&store, &picture(40)).await, None);
    round(&store).await;
    assert_eq!(store.held(), Some(bytes(&[41, 42])));
    // what another process did is known after a round
    bounded(folder.path(), u64::MAX).put(picture(50)).await.unwrap();
    round(&store).await;
    assert_eq!(store.held(), Some(bytes(&[41, 42, 50])));
}

#[tokio::test]
async fn a_picture_larger_than_the_whole_store_is_not_taken() {
    let folder = folder();
    let store = bounded(folder.path(), bytes(&[40]));
    store.put(picture(40)).await.unwrap();
    let fault = store.put(picture(60)).await.unwrap_err();
    assert!(matches!(fault, StoreFault::TooLarge(length) if length == bytes(&[60])), "{fault:?}");
    assert!(!store.is_own(&fault));
}

#[tokio::test]
async fn a_picture_used_or_put_while_it_is_removed_stays() {
    for put in [false, true] {
        let folder = folder();
        filled(folder.path(), &[40, 41]).await;
        let (path, done) = (folder.path().to_owned(), AtomicBool::new(false));
        let using = Scripted::volume(move |step, _| {
            if step == "rename" && !done.swap(true, Ordering::SeqCst) {
                let files = files::Files::new(Arc::new(Disk), path.clone(), u64::MAX, Clock::system());
                if put {
                    files.put(&picture(40)).unwrap();
                } else {
                    let place = Place { content: ContentHash::of(picture(40).bytes()), format: Format::Png };
                    assert!(matches!(files.get(place), Ok(Found::Whole(_))));
                }
            }
            Ok(())
        });
        let max_bytes = bytes(&[40, 41]) - 1;
        let store = PictureStore::on(using, folder.path().to_owned(), max_bytes, Clock::system());
        let swept = round(&store).await;
        assert_eq!((swept.for_room, swept.failed), (1, 0));
        assert_eq!(left(folder.path(), &[40, 41]), [40], "put: {put}");
    }
}

#[tokio::test]
async fn two_processes_that_make_room_at_once_remove_no_more_than_needed() {
    let (folder, sides) = (folder(), [40, 41, 42, 43, 44, 45]);
    filled(folder.path(), &sides).await;
    let path = folder.path().to_owned();
    let max_bytes = bytes(&[42, 43, 44, 45]) * 10 / 9 + 1;
    let done = AtomicBool::new(false);
    // the other makes its room just before the first one removes anything
    let other = Scripted::volume(move |step, _| {
        if step == "rename" && !done.swap(true, Ordering::SeqCst) {
            let files = files::Files::new(Arc::new(Disk), path.clone(), max_bytes, Clock::system());
            while !files.sweep(now(), KEEP).unwrap().round_ended {}
        }
        Ok(())
    });
    let store = PictureStore::on(other, folder.path().to_owned(), max_bytes, Clock::system());
    assert!(!round(&store).await.too_much);
    assert_eq!(left(folder.path(), &sides), [42, 43, 44, 45]);
    assert_eq!(store.held(), Some(bytes(&[42, 43, 44, 45])));
}

/// Puts, reads and sweeps of six processes at once, in an order that the seed chooses as far as threads let it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_under_pressure_from_all_sides_stays_whole_and_knows_what_it_holds() {
    use rand::{RngExt as _, SeedableRng as _};
    #[expect(clippy::disallowed_methods, reason = "a person repeats a seed that failed")]
    let replay = std::env::var("STORE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = u64::from(replay.unwrap_or_else(|| rand::rng().random::<u32>()));
    let (folder, sides) = (folder(), 30_u32..40);
    let max_bytes = bytes(&sides.clone().collect::<Vec<_>>()) / 2;
    let mut users = JoinSet::new();
    for user in 0..6 {
        let (store, sides) = (bounded(folder.path(), max_bytes), sides.clone());
        let mut random = rand::rngs::StdRng::seed_from_u64(seed + user);
        users.spawn(async move {
            for _ in 0..40 {
                let picture = picture(random.random_range(sides.clone()));
                match random.random_range(0..4) {
                    0 | 1 => {
                        let put = store.put(picture).await;
                        assert!(put.is_ok(), "STORE_SEED={seed}: {put:?}");
                    }
                    2 => assert!(got(&store, &picture).await.is_none_or(|found| found == picture)),
                    _ => assert_eq!(round(&store).await.failed, 0),
                }
            }
            store.damaged()
        });
    }
    assert_eq!(users.join_all().await, [0; 6], "STORE_SEED={seed}");
    let store = bounded(folder.path(), max_bytes);
    round(&store).await;
    let lengths = files(folder.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(store.held(), Some(lengths), "STORE_SEED={seed}: nothing is left aside, and all is counted");
    assert!(lengths <= max_bytes);
}

#[tokio::test]
async fn a_store_that_cannot_remove_says_so_and_still_gives() {
    let folder = folder();
    filled(folder.path(), &[40, 41]).await;
    let stuck = Scripted::volume(|step, _| {
        if step == "remove" { Err(std::io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    });
    let store = PictureStore::on(stuck, folder.path().to_owned(), bytes(&[40]), Clock::system());
    let swept = round(&store).await;
    assert_eq!((swept.for_room, swept.too_much), (0, true));
    assert!(swept.failed > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever the sizes and ages, what is left are the youngest, within the bound, and not much less than it.
    #[test]
    fn what_is_left_are_the_youngest_that_fit(
        hours in proptest::sample::subsequence((1_u32..=60).collect::<Vec<_>>(), 12).prop_shuffle(),
        percent in 5_u64..=120,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = folder();
            let sides: Vec<u32> = (30..42).collect();
            filled(folder.path(), &sides).await;
            for (side, hours) in sides.iter().zip(&hours) {
                age(folder.path(), *side, 100 * HOUR, *hours * HOUR);
            }
            let max_bytes = bytes(&sides) * percent / 100;
            let swept = round(&bounded(folder.path(), max_bytes)).await;
            let left = left(folder.path(), &sides);
            let mut youngest: Vec<_> = hours.iter().zip(&sides).collect();
            youngest.sort_unstable();
            let mut expected: Vec<_> = youngest.iter().take(left.len()).map(|(_, side)| **side).collect();
            expected.sort_unstable();
            assert_eq!(left, expected);
            let (held, largest) = (bytes(&left), bytes(&[41]));
            assert!(held <= max_bytes && !swept.too_much);
            if percent < 100 {
                assert!(held <= max_bytes * 9 / 10 + 1 && held + largest >= max_bytes * 9 / 10);
            } else {
                assert_eq!(left.len(), sides.len());
            }
        });
    }
}
