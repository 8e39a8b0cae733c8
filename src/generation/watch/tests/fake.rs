//! An upstream whose tasks end when the test says.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::evolink::{
    CallError, CallFuture, Credit, FileId, Task, TaskError, TaskId, TaskStatus, TaskUsage, Upload,
    UploadedFile, Upstream, UpstreamKey,
};

#[derive(Default)]
pub(super) struct Fake {
    pub(super) ends: Mutex<HashMap<TaskId, Instant>>,
    pub(super) looks: Mutex<HashMap<TaskId, u32>>,
    pub(super) calls: Mutex<Vec<Instant>>,
    /// Errors to answer first, in order.
    pub(super) errors: Mutex<VecDeque<CallError>>,
    pub(super) no_batch: bool,
    /// Batches leave out every task, single reads know them.
    pub(super) empty_batches: bool,
    /// The next call panics.
    pub(super) panics: Mutex<bool>,
    /// Completed tasks show their links only from this look on.
    pub(super) linkless: u32,
}

impl Fake {
    fn answer(&self, id: &TaskId) -> Option<Task> {
        let end = *self.ends.lock().unwrap().get(id)?;
        let mut looks = self.looks.lock().unwrap();
        let looks = looks.entry(id.clone()).or_default();
        *looks += 1;
        let done = Instant::now() >= end;
        let links =
            if done && *looks > self.linkless { vec!["https://media.test/a.png".to_owned()] } else { vec![] };
        Some(Task {
            id: id.clone(),
            status: if done { TaskStatus::Completed } else { TaskStatus::Processing },
            progress: None,
            links,
            error: None::<TaskError>,
            estimated: None,
            usage: TaskUsage::default(),
        })
    }

    fn called(&self) -> Result<(), CallError> {
        self.calls.lock().unwrap().push(Instant::now());
        let panics = std::mem::take(&mut *self.panics.lock().unwrap());
        assert!(!panics, "as asked");
        self.errors.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }
}

/// Half a round trip.
const TRIP: Duration = Duration::from_millis(10);

impl Upstream for Fake {
    fn create<'a>(&'a self, _: &'a UpstreamKey, _: Bytes, _: Duration) -> CallFuture<'a, Task> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn task<'a>(&'a self, id: &'a TaskId) -> CallFuture<'a, Task> {
        Box::pin(async move {
            tokio::time::sleep(TRIP).await;
            self.called()?;
            let task = self.answer(id).ok_or(CallError::TaskNotFound);
            tokio::time::sleep(TRIP).await;
            task
        })
    }

    fn batch<'a>(&'a self, ids: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        Box::pin(async move {
            tokio::time::sleep(TRIP).await;
            self.called()?;
            if self.no_batch {
                return Err(CallError::Missing);
            }
            let known = ids.iter().filter(|_| !self.empty_batches);
            let tasks = known.filter_map(|id| self.answer(id)).collect();
            tokio::time::sleep(TRIP).await;
            Ok(tasks)
        })
    }

    fn cancel<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, ()> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn upload(&self, _: Upload) -> CallFuture<'_, UploadedFile> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn delete_file<'a>(&'a self, _: &'a FileId) -> CallFuture<'a, ()> {
        Box::pin(async { Err(CallError::Missing) })
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        Box::pin(async { Err(CallError::Missing) })
    }
}
