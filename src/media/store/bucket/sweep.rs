//! The bucket's sweep: objects past their time or too many, a bounded piece of the listing at a time.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::told::{fault, is_missing};
use super::{Bucket, StoreFault, Swept};
use crate::media::store::layout::Place;
use crate::media::store::oldest::{Candidate, Oldest};

/// Objects listed in one run: nine pages of the listing.
const OBJECTS_MAX: usize = 9000;
/// Removals under way at once.
const REMOVALS_AT_ONCE: usize = 8;

/// The round under way: after which object its next run begins, and what it has found so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    after: Option<Path>,
    oldest: Oldest,
}

impl Bucket {
    pub(super) async fn sweep_run(&self, now: Timestamp, keep: Duration) -> Result<Swept, StoreFault> {
        let mut round = self.0.round.lock().await;
        let mut swept = Swept::default();
        // The whole bucket, if the prefix is empty.
        let prefix = (!self.0.prefix.is_root()).then_some(&self.0.prefix);
        let listing = match &round.after {
            Some(after) => self.0.server.list_with_offset(prefix, after),
            None => self.0.server.list(prefix),
        };
        let mut listing = listing.take(OBJECTS_MAX);
        let (mut met, mut past) = (0, Vec::new());
        while let Some(object) = listing.try_next().await.map_err(|error| fault(&error))? {
            met += 1;
            if let Some(candidate) = self.candidate(&object) {
                let age = now.duration_since(Timestamp::try_from(candidate.used).unwrap_or(now));
                self.0.tally.count(candidate.bytes);
                self.0.tally.reach(u32::from(candidate.place.bay()) + 1);
                if Duration::try_from(age).is_ok_and(|age| age > keep) {
                    past.push(candidate);
                } else {
                    round.oldest.offer(candidate);
                }
            }
            round.after = Some(object.location);
        }
        drop(listing);
        for candidate in self.remove_all(past, &mut swept).await {
            swept.pictures += 1;
            swept.bytes += candidate.bytes;
        }
        if met < OBJECTS_MAX {
            round.after = None;
            self.end_round(round.oldest.take(), &mut swept).await;
        }
        Ok(swept)
    }

    /// Everything has been listed: if it is too much, the oldest go.
    async fn end_round(&self, oldest: Vec<Candidate>, swept: &mut Swept) {
        swept.round_ended = true;
        let mut excess = self.0.tally.end_round();
        let too_many = oldest.into_iter().take_while(|candidate| {
            let goes = excess > 0;
            excess = excess.saturating_sub(candidate.bytes);
            goes
        });
        let too_many: Vec<_> = too_many.collect();
        for candidate in self.remove_all(too_many, swept).await {
            swept.for_room += 1;
            swept.bytes += candidate.bytes;
        }
        swept.too_much = self.0.tally.is_too_much();
    }

    /// Tells which of them were removed.
    async fn remove_all(&self, candidates: Vec<Candidate>, swept: &mut Swept) -> Vec<Candidate> {
        let removals =
            candidates.into_iter().map(async |candidate| (candidate, self.remove(candidate).await));
        let outcomes: Vec<_> =
            futures_util::stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE).collect().await;
        let removed = outcomes.into_iter().filter_map(|(candidate, outcome)| match outcome {
            Ok(removed) => removed.then_some(candidate),
            Err(error) => {
                swept.note_failure(candidate.place, &error);
                None
            }
        });
        removed.collect()
    }

    /// False: it has been put since it was listed, and stays; or somebody else's sweep was faster.
    async fn remove(&self, candidate: Candidate) -> Result<bool, StoreFault> {
        let key = self.key(candidate.place);
        let found = match self.0.server.head(&key).await {
            Ok(found) => found,
            Err(error) if is_missing(&error) => {
                self.0.tally.went(candidate.place, candidate.bytes);
                return Ok(false);
            }
            Err(error) => return Err(fault(&error)),
        };
        // The head tells whole seconds where the listing tells thousandths.
        if SystemTime::from(found.last_modified) >= candidate.used + Duration::from_secs(1) {
            return Ok(false);
        }
        self.0.server.delete(&key).await.map_err(|error| fault(&error))?;
        self.0.tally.went(candidate.place, candidate.bytes);
        Ok(true)
    }

    /// None: the store would not have named it so.
    fn candidate(&self, object: &ObjectMeta) -> Option<Candidate> {
        let place = Place::from_file_name(object.location.filename()?)?;
        let ours = object.location == self.key(place);
        ours.then(|| Candidate { used: object.last_modified.into(), place, bytes: object.size })
    }
}
