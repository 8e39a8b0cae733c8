//! Requests and hits for the daily figures: counted in memory, written a second later. What a generation cost is not
//! counted here: it is settled with its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Notify;

use super::booking::{key_name, team};
use super::journal::Note;
use super::scribe::Scribe;
use super::{Generations, House};
use crate::quota::{CallerLimits, Figures, UsageRow, Used};

/// What a `kill -9` may lose.
const WRITTEN_AFTER: Duration = Duration::from_secs(1);
/// Longest wait of who asks for the daily figures.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(2);

/// Figures of requests that are not written down yet.
#[derive(Debug)]
pub(super) struct Counts {
    figures: Figures,
    some: Notify,
    scribe: Scribe,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A generation of its own.
    New,
    /// It was answered from what was there, or joined what is under way.
    Hit,
}

impl Counts {
    pub(super) fn new(scribe: Scribe) -> Arc<Self> {
        Arc::new(Self { figures: Figures::default(), some: Notify::new(), scribe })
    }

    /// One request of this caller was taken.
    pub(super) fn request(&self, day: Date, caller: &CallerLimits, model: &str, kind: Kind) {
        let used = Used { requests: 1, hits: u64::from(kind == Kind::Hit), ..Used::default() };
        let (team, key) = (team(caller).to_string(), key_name(caller).to_string());
        let full = self.figures.add(UsageRow { day, team, key, model: model.to_owned(), used });
        if full {
            self.note();
        } else {
            self.some.notify_one();
        }
    }

    /// Leaves what was counted to the scribe.
    pub(super) fn note(&self) {
        for row in self.figures.take() {
            self.scribe.note(Note::Counted(row));
        }
    }

    /// Notes what is counted from now on, for ever.
    pub(super) async fn write(self: Arc<Self>) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(WRITTEN_AFTER).await;
            self.note();
        }
    }
}

impl House {
    /// The day to whose figures is added.
    pub(super) fn today(&self) -> Date {
        self.clock.now().to_zoned(TimeZone::UTC).date()
    }
}

impl Generations {
    /// For who asks for budgets or the daily figures: what was counted by now, and what has ended, is written, as far as
    /// the journal takes it within some seconds.
    pub async fn write_figures(&self) {
        self.0.counts.note();
        if tokio::time::timeout(ASKED_WAIT_MAX, self.0.scribe.written()).await.is_err() {
            tracing::warn!("the journal takes too long: the daily figures are told without the latest");
        }
    }
}
