//! Each step that changes the disk fails once: alone, and with everything after it, as when the process is killed.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::*;

/// What the hook of a [`Scripted`] volume is asked: the step's name and how many came before it.
type Hook = Box<dyn Fn(&str, usize) -> io::Result<()> + Send + Sync>;

/// A real disk, with a hook before each step.
pub(super) struct Scripted {
    hook: Hook,
    steps: AtomicUsize,
}

impl Scripted {
    pub(super) fn store(
        folder: &Path,
        hook: impl Fn(&str, usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> PictureStore {
        PictureStore::on(Self::volume(hook), folder.to_owned(), u64::MAX, Clock::fixed(NOON))
    }

    pub(super) fn volume(
        hook: impl Fn(&str, usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<dyn Volume> {
        Arc::new(Self { hook: Box::new(hook), steps: AtomicUsize::new(0) })
    }

    fn step(&self, name: &str) -> io::Result<()> {
        (self.hook)(name, self.steps.fetch_add(1, Ordering::SeqCst))
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Volume for Scripted {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step("make_folder")?;
        Disk.make_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.step("create")?;
        Disk.create(path)
    }

    /// A failing write has written half.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        let step = self.step("write");
        Disk.write(file, if step.is_ok() { bytes } else { &bytes[..bytes.len() / 2] })?;
        step
    }

    fn set_date(&self, file: &File, date: SystemTime) -> io::Result<()> {
        self.step("set_date")?;
        Disk.set_date(file, date)
    }

    fn set_used(&self, file: &File, date: SystemTime) -> io::Result<()> {
        self.step("set_used")?;
        Disk.set_used(file, date)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step("sync")?;
        Disk.sync(file)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step("sync_folder")?;
        Disk.sync_folder(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename")?;
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove")?;
        Disk.remove(path)
    }
}

/// The kernel's own error of a full disk.
fn disk_full() -> io::Error {
    File::options().write(true).open("/dev/full").unwrap().write_all(b"x").unwrap_err()
}

/// After the end of its process at step `at`, a store changes nothing any more.
fn killed_at(at: usize) -> impl Fn(&str, usize) -> io::Result<()> + Send + Sync + 'static {
    move |_, step| if step < at { Ok(()) } else { Err(io::Error::other("killed")) }
}

#[tokio::test]
async fn a_put_killed_at_any_step_leaves_the_whole_picture_or_none() {
    let (mut killed, mut left) = (0, 0);
    loop {
        let folder = folder();
        let path = folder.path().join("images");
        if Scripted::store(&path, killed_at(killed)).put(picture(40)).await.is_ok() {
            break;
        }
        let next = store(&path);
        let found = got(&next, &picture(40)).await;
        assert!(found.is_none() || found == Some(picture(40)), "killed at step {killed}");
        left += next.clear_leftovers().await.unwrap();
        assert_eq!(next.damaged(), 0, "killed at step {killed}: half a picture was there");
        let kept = if path.exists() { files(&path).len() } else { 0 };
        assert_eq!(kept, usize::from(found.is_some()), "killed at step {killed}: something was left");
        next.put(picture(40)).await.unwrap();
        assert_eq!(got(&next, &picture(40)).await, Some(picture(40)));
        killed += 1;
    }
    assert!(killed >= 10, "only {killed} steps");
    assert!(left >= 3, "only {left} leftovers");
}

#[tokio::test]
async fn a_second_put_killed_at_any_step_loses_nothing() {
    let mut killed = 0;
    loop {
        let folder = folder();
        store(folder.path()).put(picture(40)).await.unwrap();
        // killed after so many steps of the second put; what it has written, the next put or sweep puts right
        let done = Scripted::store(folder.path(), killed_at(killed)).put(picture(40)).await.is_ok();
        assert_eq!(got(&store(folder.path()), &picture(40)).await, Some(picture(40)));
        if done {
            break;
        }
        killed += 1;
    }
    assert_eq!(killed, 3, "date, file, folder");
}

#[tokio::test]
async fn a_full_disk_is_told_at_any_step_and_leaves_nothing_behind() {
    let mut failing = 0;
    loop {
        let folder = folder();
        let path = folder.path().join("images");
        let store =
            Scripted::store(&path, move |_, step| if step == failing { Err(disk_full()) } else { Ok(()) });
        match store.put(picture(40)).await {
            Ok(_) => break,
            Err(fault) => assert!(matches!(fault, StoreFault::Full(_)), "{fault:?}"),
        }
        let found = got(&store, &picture(40)).await;
        let kept = if path.exists() { files(&path).len() } else { 0 };
        assert_eq!(kept, usize::from(found.is_some()), "failed at step {failing}: something was left");
        // there is room again
        store.put(picture(40)).await.unwrap();
        assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
        failing += 1;
    }
    assert!(failing >= 10, "only {failing} steps");
}

#[tokio::test]
async fn what_is_there_can_be_put_and_read_on_a_full_disk() {
    let folder = folder();
    store(folder.path()).put(picture(40)).await.unwrap();
    let full = |step: &str, _| match step {
        "write" | "create" | "make_folder" => Err(disk_full()),
        _ => Ok(()),
    };
    let store = Scripted::store(folder.path(), full);
    store.put(picture(40)).await.unwrap();
    assert_eq!(got(&store, &picture(40)).await, Some(picture(40)));
    assert!(matches!(store.put(picture(41)).await, Err(StoreFault::Full(_))));
    assert!(matches!(store.trial(0).await, Err(StoreFault::Full(_))));
}

#[tokio::test]
async fn a_damaged_file_counts_as_missing_even_where_nothing_can_be_removed() {
    let folder = folder();
    store(folder.path()).put(picture(40)).await.unwrap();
    fs::write(path_of(folder.path(), &picture(40)), b"<html>").unwrap();
    let store = Scripted::store(folder.path(), |_, _| Err(ErrorKind::ReadOnlyFilesystem.into()));
    assert_eq!((got(&store, &picture(40)).await, store.damaged()), (None, 1));
    assert!(matches!(store.put(picture(40)).await, Err(StoreFault::ReadOnly(_))));
    assert!(matches!(store.trial(0).await, Err(StoreFault::ReadOnly(_))));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_a_fault_of_every_call() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, b"no folder").unwrap();
    let store = store(&file.join("images"));
    let content = ContentHash::of(b"x");
    let faults = [
        store.put(picture(8)).await.unwrap_err(),
        store.get(&content, Format::Png).await.unwrap_err(),
        store.contains(&content, Format::Png).await.unwrap_err(),
        store.trial(0).await.unwrap_err(),
        store.clear_leftovers().await.unwrap_err(),
        store.sweep(Timestamp::UNIX_EPOCH, Duration::ZERO).await.unwrap_err(),
    ];
    for fault in faults {
        assert!(matches!(fault, StoreFault::Failing(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn a_trial_leaves_nothing_behind() {
    let folder = folder();
    let store = store(&folder.path().join("images"));
    store.trial(0).await.unwrap();
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}
