//! What a request learns about itself on its way in, for the log and the metrics.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::RequestId;
use crate::server::respond::Outcome;

/// The team that a request was charged to; in an answer's extensions.
#[derive(Debug, Clone)]
pub struct TeamLabel(pub Arc<str>);

/// Notes about one request, in its extensions.
///
/// Unlike an answer's extensions it also reaches the log when the client left before there was an answer. Clones
/// share the notes; each note is taken once, the first counts.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    request_id: OnceLock<RequestId>,
    team: OnceLock<Arc<str>>,
    cache: OnceLock<&'static str>,
    waited: OnceLock<Duration>,
    late: OnceLock<Outcome>,
}

impl Trail {
    pub(in crate::server) fn set_request_id(&self, id: RequestId) {
        self.0.request_id.get_or_init(|| id);
    }

    /// For the log of what goes on behind the answer's head.
    pub(in crate::server) fn request_id(&self) -> Option<RequestId> {
        self.0.request_id.get().cloned()
    }

    pub fn set_team(&self, team: Arc<str>) {
        self.0.team.get_or_init(|| team);
    }

    /// `hit`, `miss`, `collapsed` or `bypass`.
    pub fn set_cache(&self, cache: &'static str) {
        self.0.cache.get_or_init(|| cache);
    }

    /// The time spent waiting for upstream; the rest is the gateway's own.
    pub fn set_waited(&self, waited: Duration) {
        self.0.waited.get_or_init(|| waited);
    }

    /// A failure that came after the answer's head: what the head says is not how the request ended.
    pub fn set_late(&self, failure: Outcome) {
        self.0.late.get_or_init(|| failure);
    }

    pub(in crate::server) fn late(&self) -> Option<&Outcome> {
        self.0.late.get()
    }

    pub(super) fn team(&self) -> Option<&str> {
        self.0.team.get().map(AsRef::as_ref)
    }

    pub(super) fn cache(&self) -> Option<&'static str> {
        self.0.cache.get().copied()
    }

    pub(super) fn waited(&self) -> Option<Duration> {
        self.0.waited.get().copied()
    }
}
