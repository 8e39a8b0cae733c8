mod bound;
mod crashes;
mod races;
mod sweeping;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::media::picture::samples;

const NOON: i64 = 1_750_000_000;

fn store(folder: &Path) -> PictureStore {
    PictureStore::in_folder(folder.to_owned(), u64::MAX, Clock::fixed(NOON))
}

fn picture(side: u32) -> Picture {
    samples::picture(Format::Png, side, side)
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Every file below the folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn path_of(folder: &Path, picture: &Picture) -> PathBuf {
    let place = Place { content: ContentHash::of(picture.bytes()), format: picture.format() };
    layout::Layout::new(folder.to_owned()).file(place)
}

async fn got(store: &PictureStore, picture: &Picture) -> Option<Picture> {
    store.get(&ContentHash::of(picture.bytes()), picture.format()).await.unwrap()
}

#[tokio::test]
async fn a_picture_that_was_put_is_given_back_whole() {
    let folder = folder();
    for format in Format::ALL {
        let picture = samples::picture(format, 20, 10);
        let stored = store(folder.path()).put(picture.clone()).await.unwrap();
        let expected = StoredPicture {
            content: ContentHash::of(picture.bytes()),
            format,
            pixels: Pixels::new(20, 10),
            bytes: u64::try_from(picture.bytes().len()).unwrap(),
        };
        assert_eq!(stored, expected);
        let later = store(folder.path());
        assert!(later.contains(&stored.content, format).await.unwrap());
        assert_eq!(later.get(&stored.content, format).await.unwrap(), Some(picture));
    }
}

#[tokio::test]
async fn a_store_that_was_never_used_is_empty_and_makes_no_folder() {
    let folder = folder();
    let path = folder.path().join("a/b/images");
    let store = store(&path);
    assert_eq!(got(&store, &picture(8)).await, None);
    assert!(!store.contains(&ContentHash::of(b"x"), Format::Png).await.unwrap());
    assert_eq!(store.clear_leftovers().await.unwrap(), 0);
    assert!(store.sweep(Timestamp::UNIX_EPOCH, Duration::ZERO).await.unwrap().round_ended);
    assert!(!folder.path().join("a").exists());
    store.put(picture(8)).await.unwrap();
    assert_eq!(got(&store, &picture(8)).await, Some(picture(8)));
}

#[tokio::test]
async fn a_picture_is_kept_once_however_often_it_is_put() {
    let folder = folder();
    let (one, other) = (store(folder.path()), store(folder.path()));
    let mut puts = JoinSet::new();
    for at in 0..60 {
        let store = if at % 2 == 0 { one.clone() } else { other.clone() };
        puts.spawn(async move { store.put(picture(40)).await.map_err(|fault| fault.to_string()) });
    }
    let stored: BTreeSet<_> = puts.join_all().await.into_iter().map(|put| put.unwrap().content).collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(files(folder.path()), [path_of(folder.path(), &picture(40))]);
    assert_eq!(got(&one, &picture(40)).await, Some(picture(40)));
}

#[tokio::test]
async fn a_file_that_has_changed_counts_as_missing_and_can_be_put_again() {
    let folder = folder();
    let store = store(folder.path());
    let picture = picture(40);
    let path = path_of(folder.path(), &picture);
    let whole = picture.bytes().to_vec();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let another = samples::encoded(Format::Png, 9, 9);
    let wrong_kind = samples::encoded(Format::Jpeg, 40, 40);
    let changed = [
        flipped(0),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
        whole[..whole.len() / 2].to_vec(),
        [whole.as_slice(), b"more"].concat(),
        Vec::new(),
        another,
        wrong_kind,
    ];
    for (before, bytes) in (0..).zip(changed) {
        store.put(picture.clone()).await.unwrap();
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.damaged(), before);
        assert_eq!(got(&store, &picture).await, None);
        assert_eq!(store.damaged(), before + 1);
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
        assert_eq!(got(&store, &picture).await, None);
        assert_eq!(store.damaged(), before + 1, "what is gone is not damaged");
    }
    store.put(picture.clone()).await.unwrap();
    assert_eq!(got(&store, &picture).await, Some(picture));
}

#[tokio::test]
async fn a_put_mends_a_file_that_nobody_has_read_since_it_changed() {
    let folder = folder();
    let store = store(folder.path());
    let path = path_of(folder.path(), &picture(40));
    for change in [picture(39).bytes().to_vec(), b"short".to_vec()] {
        store.put(picture(40)).await.unwrap();
        fs::write(&path, change).unwrap();
        store.put(picture(40)).await.unwrap();
        assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
    }
    // the same length: the bytes themselves are compared
    let mut flipped = picture(40).bytes().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, flipped).unwrap();
    store.put(picture(40)).await.unwrap();
    assert_eq!((got(&store, &picture(40)).await, store.damaged()), (Some(picture(40)), 0));
}

#[tokio::test]
async fn a_file_longer_than_any_picture_is_not_read() {
    let folder = folder();
    let store = store(folder.path());
    store.put(picture(8)).await.unwrap();
    let path = path_of(folder.path(), &picture(8));
    fs::File::options().write(true).open(path).unwrap().set_len(PICTURE_BYTES_MAX + 1).unwrap();
    assert_eq!((got(&store, &picture(8)).await, store.damaged()), (None, 1));
}

#[tokio::test]
async fn a_folder_removed_under_a_running_store_is_made_again() {
    let folder = folder();
    let path = folder.path().join("images");
    let store = store(&path);
    for _ in 0..2 {
        store.put(picture(8)).await.unwrap();
        assert_eq!(got(&store, &picture(8)).await, Some(picture(8)));
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(got(&store, &picture(8)).await, None);
    }
}

#[tokio::test]
async fn only_the_gateways_own_user_reads_pictures() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let root = folder.path().join("images");
    store(&root).put(picture(8)).await.unwrap();
    let path = path_of(&root, &picture(8));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&root)), (0o600, 0o700, 0o700));
}
