//! The story against upstreams that no simulator plays: one that is all bugs, and one by script, on paused time.

mod attempts;
mod by_id;
mod called;
mod clocks;
mod crashes;
pub(super) mod fake;
mod holds;
mod journal;
mod leaving;
mod outage;
mod recovery;
mod reuse;
mod simulated;
mod storing;
mod unanswered;

use bytes::Bytes;

use super::*;
use crate::evolink::{CallFuture, Credit, FileId, Task, TaskId, Upload, UploadedFile, UpstreamKey};
use crate::fault::FaultKind;

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

#[tokio::test]
async fn a_generation_that_panics_ends_for_its_waiters_and_frees_its_place() {
    let metrics = Arc::new(Metrics::new());
    let (generations, _watching) = fake::house(Arc::new(Buggy), fake::options(), &metrics);
    for _ in 0..2 {
        let plan = fake::plan("a fox", 1, &[]);
        let mut waiter = generations.begin(fake::own(&plan)).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let fault = waiter.finished(deadline).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Internal);
        assert!(!waiter.joined());
    }
    assert!(metrics.render().contains(r#"evolink_gateway_running_generations{team="design"} 0"#));
}
