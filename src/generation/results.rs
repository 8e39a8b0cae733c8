//! The cache: a generation that ended whole answers those who share it, from memory or from the journal.
//!
//! It is found by name: its circle and what it is of ([`cache::Key`](crate::cache::Key)). A new one is in memory before
//! its waiters wake, and in the journal with its end; so whoever asks from then on finds it, now and after a crash.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::audience::Audience;
use super::journal::{JournalError, Note, PastResult, Purge, Shared};
use super::model::{Finished, Generation, Owner, Phase};
use super::purchase::in_patience;
use super::registry::bytes_of;
use super::reuse::{Reuse, Sharing};
use super::{Generations, House, recover};
use crate::cache::{Entry, Freshness, Key, Results, RuleBook, Rules};

/// What results take in memory together; the rest is found in the journal. Nearly all of it are prompts.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A picture that is not stored is had from Evolink's link, which lives 24 hours; a link that is handed out has to last
/// for a while.
pub(super) const LINKED_AGE_MAX: Duration = Duration::from_hours(23);

/// Results and the rules for them.
#[derive(Debug)]
pub(super) struct Cache {
    results: Results<Generation>,
    rules: RuleBook,
}

/// A result that answers a request.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub generation: Arc<Generation>,
    pub freshness: Freshness,
}

impl Cache {
    pub(super) fn new(rules: RuleBook) -> Self {
        Self { results: Results::new(BYTES_MAX), rules }
    }

    /// These notes are written down.
    pub(super) fn written(&self, notes: &[Note]) {
        for note in notes {
            if let Note::Finished { generation, shared: Some(Shared { key, .. }), .. } = note {
                self.results.written(key, |result| result.id() == generation);
            }
        }
    }

    /// The journal has results until then.
    pub(super) fn note_behind(&self, until_ms: Option<i64>) {
        if let Some(until_ms) = until_ms {
            self.results.note_behind(until_ms);
        }
    }

    /// The name of the result that a request takes, and the rules by which it judges it.
    fn wanted(&self, owner: &Owner, reuse: &Reuse) -> Option<(Key, Rules, Option<Duration>)> {
        let Sharing::Shared { max_age } = reuse.sharing else { return None };
        let rules = self.rules.of(&owner.team);
        rules.enabled.then(|| (rules.key(&owner.team, owner.fingerprint), rules, max_age))
    }
}

impl House {
    /// The result in memory that answers.
    pub(super) fn cached(&self, owner: &Owner, reuse: &Reuse) -> Option<Cached> {
        let (key, rules, max_age) = self.cache.wanted(owner, reuse)?;
        let entry = self.cache.results.get(&key, self.clock.unix_ms())?;
        self.judged(entry, rules, max_age)
    }

    /// The result that answers and is in the journal only; it is in memory from here on. A journal that fails has none.
    pub(super) async fn look_behind(&self, owner: &Owner, reuse: &Reuse) -> Option<Cached> {
        let (key, rules, max_age) = self.cache.wanted(owner, reuse)?;
        let (results, now_ms) = (&self.cache.results, self.clock.unix_ms());
        if !results.is_forgetful(now_ms) || results.get(&key, now_ms).is_some() {
            return None;
        }
        let found = in_patience(self.journal.result(key.clone(), now_ms)).await;
        let found = found.inspect_err(|error| {
            tracing::warn!(%error, "the journal cannot be asked for a result; it is as if there were none");
        });
        let PastResult { past, expires_ms } = found.ok()??;
        let ended_ms = past.ended_ms;
        let known = self.registry.lock().unwrap_or_else(PoisonError::into_inner).known(&past.admission.id);
        let generation = known.unwrap_or_else(|| {
            let audience = Audience::recalled(past.promised);
            recover::ended(self, past, audience).generation
        });
        generation.share(Shared { key: key.clone(), expires_ms });
        let entry = entry(generation, ended_ms, expires_ms);
        results.put(key, entry.clone(), now_ms);
        self.judged(entry, rules, max_age)
    }

    fn judged(&self, entry: Entry<Generation>, rules: Rules, max_age: Option<Duration>) -> Option<Cached> {
        let freshness = entry.freshness(self.clock.unix_ms(), rules.ttl)?;
        let young = max_age.is_none_or(|most| freshness.age <= most);
        (young && !entry.value.is_spoilt()).then_some(Cached { generation: entry.value, freshness })
    }

    /// The name under which a generation that ends now is to answer others, and until when.
    pub(super) fn to_share(&self, generation: &Generation, finished: &Finished) -> Option<Shared> {
        let owner = generation.owner();
        let rules = self.cache.rules.of(&owner.team);
        let open = !generation.is_private() && !generation.audience.is_withdrawn();
        if !(rules.enabled && open && finished.is_whole()) {
            return None;
        }
        let life = if self.gallery.keeps() { rules.ttl } else { rules.ttl.min(LINKED_AGE_MAX) };
        let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        let expires_ms = self.clock.unix_ms().saturating_add(life_ms);
        Some(Shared { key: rules.key(&owner.team, owner.fingerprint), expires_ms })
    }

    /// The end of a generation. Under the lock under which others look: they join it or find its result, and it is not
    /// taken back in between.
    pub(super) fn end(&self, generation: &Arc<Generation>, finished: Arc<Finished>, shared: Option<Shared>) {
        let _registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = shared.filter(|_| !generation.audience.is_withdrawn()) {
            let now_ms = self.clock.unix_ms();
            let entry = entry(Arc::clone(generation), now_ms, shared.expires_ms);
            self.cache.results.add(shared.key.clone(), entry, now_ms);
            generation.share(shared);
        }
        generation.advance(Phase::Finished(finished));
    }

    /// Its pictures are lost: it answers nobody from now on, and the next who asks has them made again.
    pub(super) fn lose(&self, generation: &Generation) {
        generation.spoil();
        self.metrics.cache_lookup("lost");
        self.unshare(generation);
        self.scribe.note(Note::Unshared { generation: generation.id().clone() });
    }

    /// It is no result any more, in memory.
    pub(super) fn unshare(&self, generation: &Generation) {
        if let Some(Shared { key, .. }) = generation.shared() {
            self.cache.results.remove(key, |result| result.id() == generation.id());
        }
    }
}

fn entry(generation: Arc<Generation>, ended_ms: i64, expires_ms: i64) -> Entry<Generation> {
    let bytes = u32::try_from(bytes_of(&generation)).unwrap_or(u32::MAX);
    Entry { value: generation, ended_ms, expires_ms, bytes }
}

impl Generations {
    /// The rules by which a team shares what it has made.
    pub fn cache_rules(&self, team: &str) -> Rules {
        self.0.cache.rules.of(team)
    }

    /// Replaces the rules of all teams, for what is kept already too.
    pub fn set_cache_rules(&self, teams: impl IntoIterator<Item = (Arc<str>, Rules)>) {
        self.0.cache.rules.replace(teams);
    }

    /// Whether what is made now will answer others for as long as it is fresh: not while pictures cannot be stored.
    pub fn keeps_results(&self) -> bool {
        !self.0.gallery.stores() || self.0.gallery.keeps()
    }

    /// Results in memory.
    pub fn results(&self) -> u64 {
        self.0.cache.results.count()
    }

    /// Forgets results, and tells how many there were. Their generations still answer by id and by idempotency key.
    ///
    /// # Errors
    /// The journal cannot be written: those that it has may answer again.
    pub async fn purge(&self, which: Purge) -> Result<usize, JournalError> {
        let House { cache, scribe, journal, .. } = &*self.0;
        // A result whose end is still to be written would come back by it.
        in_patience(Box::pin(async {
            scribe.written().await;
            Ok(())
        }))
        .await?;
        let meant = |result: &Generation| {
            let (team, model) = (&*result.owner().team, &result.plan().class.model);
            which.team.as_deref().is_none_or(|meant| meant == team)
                && which.model.as_deref().is_none_or(|meant| meant == model)
        };
        let here = cache.results.purge(meant);
        let behind = in_patience(journal.purge(which.clone())).await?;
        // One may have been taken up from the journal in between.
        cache.results.purge(meant);
        Ok(behind.max(here))
    }
}
