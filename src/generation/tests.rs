//! The story against an upstream that breaks in ways no simulator does.

use bytes::Bytes;

use super::*;
use crate::catalog::Catalog;
use crate::evolink::{CallFuture, Credit, FileId, Task, TaskId, Upload, UploadedFile, UpstreamKey};
use crate::fault::FaultKind;
use crate::image::{Fingerprint, ImageRequest};
use crate::media::FetchOptions;
use watch::{Batching, PollBounds, WatchOptions};

/// Every call is a bug.
struct Buggy;

impl Upstream for Buggy {
    fn create<'a>(&'a self, _: &'a UpstreamKey, _: Bytes, _: Duration) -> CallFuture<'a, Task> {
        panic!("a bug")
    }

    fn task<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, Task> {
        panic!("a bug")
    }

    fn batch<'a>(&'a self, _: &'a [TaskId]) -> CallFuture<'a, Vec<Task>> {
        panic!("a bug")
    }

    fn cancel<'a>(&'a self, _: &'a TaskId) -> CallFuture<'a, ()> {
        panic!("a bug")
    }

    fn upload(&self, _: Upload) -> CallFuture<'_, UploadedFile> {
        panic!("a bug")
    }

    fn delete_file<'a>(&'a self, _: &'a FileId) -> CallFuture<'a, ()> {
        panic!("a bug")
    }

    fn credits(&self) -> CallFuture<'_, Credit> {
        panic!("a bug")
    }
}

fn generations(upstream: Arc<dyn Upstream>, metrics: &Arc<Metrics>) -> Generations {
    let minute = Duration::from_mins(1);
    let watching = WatchOptions {
        bounds: PollBounds { min: Duration::from_millis(500), max: minute },
        per_second: 10,
        batching: Batching::Auto,
        task_timeout: minute,
    };
    let (watcher, _unwatched) = Watcher::new(Arc::clone(&upstream), watching, Arc::clone(metrics));
    let options = Options {
        max_tasks: 1,
        queue_timeout: minute,
        create_patience: minute,
        idempotency_window: minute,
        task_timeout: minute,
        replay: minute,
    };
    let fetcher = Fetcher::new(FetchOptions::default()).unwrap();
    Generations::new(upstream, fetcher, watcher, options, Arc::clone(metrics), Clock::system())
}

#[tokio::test]
async fn a_generation_that_panics_ends_for_its_waiters_and_frees_its_place() {
    let metrics = Arc::new(Metrics::new());
    let generations = generations(Arc::new(Buggy), &metrics);
    for _ in 0..2 {
        let plan = Arc::new(Catalog::default().plan(ImageRequest::new("a fox"), false).unwrap());
        let owner = Owner {
            team: "design".into(),
            key: "ci".into(),
            fingerprint: Fingerprint::of(&plan.task, plan.count),
        };
        let mut waiter = generations.begin(plan, owner, Vec::new(), false).unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let fault = waiter.finished(deadline).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Internal);
        assert!(!waiter.joined());
    }
    assert!(metrics.render().contains("evolink_gateway_running_generations 0"));
}
