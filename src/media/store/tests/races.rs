//! Two at one file, brought about by a hook between two steps of one of them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::crashes::Scripted;
use super::*;

const LATER: i64 = NOON + 3600;

/// Does the other's work before the first step of this name.
fn once_before(
    name: &'static str,
    other: impl Fn() + Send + Sync + 'static,
) -> impl Fn(&str, usize) -> io::Result<()> {
    let done = AtomicBool::new(false);
    move |step, _| {
        if step == name && !done.swap(true, Ordering::SeqCst) {
            other();
        }
        Ok(())
    }
}

fn another(folder: &Path) -> files::Files {
    files::Files::new(Arc::new(Disk), folder.to_owned(), u64::MAX, Clock::fixed(LATER))
}

fn later() -> Timestamp {
    Timestamp::from_second(LATER).unwrap()
}

const KEEP: Duration = Duration::from_mins(30);

#[tokio::test]
async fn a_picture_put_again_while_it_is_swept_stays() {
    let folder = folder();
    store(folder.path()).put(picture(40)).await.unwrap();
    let files = another(folder.path());
    let putting = once_before("rename", move || {
        files.put(&picture(40)).unwrap();
    });
    let swept = Scripted::store(folder.path(), putting).sweep(later(), KEEP).await.unwrap();
    assert_eq!((swept.pictures, swept.failed, swept.round_ended), (0, 0, true));
    assert_eq!(got(&store(folder.path()), &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn another_file_in_the_place_of_the_one_that_was_judged_stays() {
    let folder = folder();
    store(folder.path()).put(picture(40)).await.unwrap();
    let (path, files) = (path_of(folder.path(), &picture(40)), another(folder.path()));
    // a new file, with the same old date
    let replacing = once_before("rename", move || {
        fs::rename(&path, path.with_extension("old")).unwrap();
        files.put(&picture(40)).unwrap();
        let file = fs::File::open(&path).unwrap();
        file.set_modified(Timestamp::from_second(NOON).unwrap().into()).unwrap();
    });
    let swept = Scripted::store(folder.path(), replacing).sweep(later(), KEEP).await.unwrap();
    assert_eq!(swept.pictures, 0);
    assert_eq!(got(&store(folder.path()), &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_picture_swept_while_it_is_put_again_is_written_anew() {
    let folder = folder();
    store(folder.path()).put(picture(40)).await.unwrap();
    let files = another(folder.path());
    let sweeping =
        once_before("set_date", move || assert_eq!(files.sweep(later(), KEEP).unwrap().pictures, 1));
    let store = Scripted::store(folder.path(), sweeping);
    store.put(picture(40)).await.unwrap();
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_living_writers_file_is_no_leftover() {
    let folder = folder();
    let files = another(folder.path());
    let clearing = once_before("sync", move || assert_eq!(files.clear_leftovers().unwrap(), 0));
    let store = Scripted::store(folder.path(), clearing);
    store.put(picture(40)).await.unwrap();
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_writers_file_that_was_cleared_away_is_written_again() {
    let folder = folder();
    let incoming = folder.path().join(".incoming");
    let removing = once_before("rename", move || {
        for file in files(&incoming) {
            fs::remove_file(file).unwrap();
        }
    });
    let store = Scripted::store(folder.path(), removing);
    store.put(picture(40)).await.unwrap();
    assert_eq!(files(folder.path()).len(), 1);
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_given_up_and_takes_no_more_than_its_threads() {
    let folder = folder();
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (entered, mut entering) = tokio::sync::mpsc::unbounded_channel();
    let store = Scripted::store(folder.path(), move |step, _| {
        if step == "create" {
            entered.send(()).unwrap();
            let _ = held.lock().unwrap().recv();
        }
        Ok(())
    });
    let mut puts = JoinSet::new();
    for _ in 0..2 * JOBS_AT_ONCE {
        let store = store.clone();
        puts.spawn(async move { store.put(picture(40)).await });
    }
    for _ in 0..JOBS_AT_ONCE {
        entering.recv().await.unwrap();
    }
    assert!(store.sweep(later(), KEEP).await.unwrap().round_ended, "the sweep has a place of its own");
    tokio::time::advance(PUT_ANSWER_MAX + Duration::from_millis(1)).await;
    while let Some(put) = puts.join_next().await {
        assert!(matches!(put.unwrap(), Err(StoreFault::Slow)));
    }
    assert!(entering.try_recv().is_err(), "no more at once than there are places");
    drop(release); // the disk answers again
    store.put(picture(41)).await.unwrap();
    assert_eq!(got(&store, &picture(41)).await, Some(picture(41)));
}
