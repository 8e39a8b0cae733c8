use super::*;

const DAY: Duration = Duration::from_hours(24);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOON + second).unwrap()
}

/// A whole round.
async fn swept(store: &PictureStore, now: Timestamp, keep: Duration) -> (u64, u64) {
    let (mut pictures, mut bytes) = (0, 0);
    for _ in 0..100 {
        let run = store.sweep(now, keep).await.unwrap();
        assert_eq!(run.failed, 0);
        pictures += run.pictures;
        bytes += run.bytes;
        if run.round_ended {
            return (pictures, bytes);
        }
    }
    panic!("the round does not end");
}

#[tokio::test]
async fn pictures_go_when_they_were_last_put_longer_ago_than_they_are_kept() {
    let folder = folder();
    let clock = Clock::fixed(NOON);
    let store = PictureStore::in_folder(folder.path().to_owned(), u64::MAX, clock.clone());
    for side in [8, 9, 10] {
        store.put(picture(side)).await.unwrap();
    }
    clock.set(NOON + 3600);
    store.put(picture(9)).await.unwrap(); // put again: its age begins anew
    got(&store, &picture(10)).await.unwrap(); // read: that changes nothing
    assert_eq!(swept(&store, at(86_400), DAY).await, (0, 0), "just as old as it may be");
    let bytes = picture(8).bytes().len() + picture(10).bytes().len();
    assert_eq!(swept(&store, at(86_401), DAY).await, (2, u64::try_from(bytes).unwrap()));
    assert_eq!(files(folder.path()), [path_of(folder.path(), &picture(9))]);
    assert_eq!(swept(&store, at(86_400 + 3601), DAY).await.0, 1);
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn one_run_is_bounded_and_the_next_goes_on_where_it_stopped() {
    let folder = folder();
    let store = store(folder.path());
    for side in 8..24 {
        store.put(picture(side)).await.unwrap();
    }
    // folders that have to be looked for one by one
    for row in 0..=u8::MAX {
        fs::create_dir_all(folder.path().join(format!("{row:02x}"))).unwrap();
    }
    let mut removed = Vec::new();
    loop {
        let run = store.sweep(at(90_000), DAY).await.unwrap();
        removed.push(run.pictures);
        if run.round_ended {
            break;
        }
    }
    assert_eq!((removed.len(), removed.iter().sum::<u64>()), (4, 16), "{removed:?}");
    assert!(removed.iter().all(|run| *run < 16), "{removed:?}");
}

#[tokio::test]
async fn what_the_store_did_not_put_there_stays() {
    let folder = folder();
    let store = store(folder.path());
    store.put(picture(8)).await.unwrap();
    let ours = path_of(folder.path(), &picture(8));
    let foreign = [
        folder.path().join("notes.txt"),
        folder.path().join(".incoming/notes.txt"),
        ours.with_file_name("notes.png"),
        // a picture's name in another picture's folder
        ours.with_file_name(path_of(folder.path(), &picture(9)).file_name().unwrap()),
    ];
    let long_ago = at(-1_000_000).into();
    for path in &foreign {
        fs::File::create(path).unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(swept(&store, at(90_000), DAY).await.0, 1);
    let left: BTreeSet<_> = files(folder.path()).into_iter().collect();
    assert_eq!(left, foreign.into_iter().collect());
}

#[tokio::test]
async fn a_date_far_ahead_begins_anew() {
    let folder = folder();
    let store = store(folder.path());
    store.put(picture(8)).await.unwrap();
    let file = fs::File::open(path_of(folder.path(), &picture(8))).unwrap();
    file.set_modified(at(10_000 * 86_400).into()).unwrap();
    assert_eq!(swept(&store, at(0), DAY).await.0, 0);
    assert_eq!(swept(&store, at(86_401), DAY).await.0, 1);
}

#[tokio::test]
async fn every_run_removes_leftovers_too() {
    let folder = folder();
    let store = store(folder.path());
    store.put(picture(8)).await.unwrap();
    fs::write(folder.path().join(".incoming/half.part"), b"half").unwrap();
    assert_eq!(store.sweep(at(0), DAY).await.unwrap().leftovers, 1);
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_holds_up_no_other() {
    let folder = folder();
    let store = store(folder.path());
    store.put(picture(8)).await.unwrap();
    let row = path_of(folder.path(), &picture(8)).parent().unwrap().parent().unwrap().to_owned();
    // a file in the place of a folder, before and behind the picture's
    for name in ["00", "ff"] {
        let _ = fs::write(row.join(name), b"no folder");
    }
    let run = store.sweep(at(90_000), DAY).await.unwrap();
    assert_eq!((run.pictures, run.failed, run.round_ended), (1, 2, true));
}
